"""NumPy reference implementations of Keras layers.

Every layer is a plain function, ``xyz_forward(x, *weights, **options)``: weights in the order of ``layer.get_weights()``, options with
Keras's names and defaults, the batch first. ``xyz_backward(grad_output, x, *weights, **options)`` is the tuple of the gradients of the
input and of the weights that train. ``load_model`` reads a ``.keras`` archive and runs it through these functions.
"""

from reference import initializers
from reference.activations import *
from reference.activations.piecewise import *
from reference.activations.rowwise import *
from reference.activations.smooth import *
from reference.layers.activation import *
from reference.layers.batch_normalization import *
from reference.layers.convolution import *
from reference.layers.dense import *
from reference.layers.dropout import *
from reference.layers.embedding import *
from reference.layers.global_pooling import *
from reference.layers.masking import *
from reference.layers.merging import *
from reference.layers.normalization import *
from reference.layers.pooling import *
from reference.layers.rescaling import *
from reference.layers.reshaping import *
from reference.layers.rnn.recurrent import *
from reference.layers.text_vectorization import *
from reference.layers.wrappers import *
from reference.losses import *
from reference.models import *
from reference.optimizers.formulas import *
from reference.optimizers.schedules import *
from reference.training.callbacks import *
from reference.training.checkpoint import *
from reference.training.loop import *
from reference.training.run import *
from reference.training.step import *

# A name becomes public in the ``__all__`` of the file that defines it, and nowhere else. (Type checkers would hide what a list that is
# computed does not name, hence the detour.)
vars()["__all__"] = [
    name for name, value in vars().items() if value is initializers or not (name.startswith("_") or isinstance(value, type(initializers)))
]
