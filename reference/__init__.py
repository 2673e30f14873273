"""NumPy reference implementations of Keras layers.

Every layer is a plain function, ``xyz_forward(x, *weights, **options)``: weights in the order of ``layer.get_weights()``, options with
Keras's names and defaults, the batch first. ``xyz_backward(grad_output, x, *weights, **options)`` is the tuple of the gradients of the
input and of the weights that train. ``load_model`` reads a ``.keras`` archive and runs it through these functions.
"""

import typing

from reference import initializers as initializers
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
from reference.optimizers.formulas import *
from reference.optimizers.schedules import *

if typing.TYPE_CHECKING:
    from reference.whole import *

    __all__: list[str]
else:

    def __getattr__(name):
        """A name of :mod:`reference.whole`, which is loaded when one is first asked for; so is ``__all__``, which holds them as well.

        A name becomes public in the ``__all__`` of the file that defines it, and nowhere else.
        """
        import reference.whole

        here = globals()
        here.update({public: value for public, value in vars(reference.whole).items() if not public.startswith("_")})
        public = (one for one, value in here.items() if not (one.startswith("_") or isinstance(value, type(reference))))
        here["__all__"] = ["initializers", *public]
        here.pop("__getattr__", None)
        if name in here:
            return here[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
