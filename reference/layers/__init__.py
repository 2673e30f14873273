"""The layers: each file holds the functions of one family, forward and backward, and their records.

:data:`LAYERS` has the record of every layer by Keras's class name.
"""

from reference.layers import (  # each enters its records into LAYERS
    activation,
    convolution,
    dense,
    dropout,
    embedding,
    global_pooling,
    masking,
    merging,
    normalization,
    pooling,
    rescaling,
    reshaping,
    wrappers,
)
from reference.layers.rnn import recurrent
from reference.layers.spec import LAYERS, LayerCall, LayerSpec, layer_call, spec_of

__all__ = ["LAYERS", "LayerCall", "LayerSpec", "layer_call", "spec_of"]
FAMILIES = (
    activation, convolution, dense, dropout, embedding, global_pooling, masking, merging, normalization, pooling, recurrent, rescaling,
    reshaping, wrappers,
)  # fmt: skip
"""The modules of layers."""
