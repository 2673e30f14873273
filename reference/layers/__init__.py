"""The layers: each file holds the functions of one family, forward and backward, and their records.

:data:`LAYERS` has the record of every layer by Keras's class name.
"""

from reference.layers import (  # noqa: F401 - each enters its records into LAYERS
    activation,
    batch_normalization,
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
from reference.layers.identities import IDENTITIES
from reference.layers.rnn import recurrent  # noqa: F401
from reference.layers.spec import LAYERS, LayerCall, LayerSpec, layer_call, spec_of
from reference.layers.text_vectorization import TEXT_VECTORIZATION

__all__ = ["FUNCTIONS", "LAYERS", "LayerCall", "LayerSpec", "layer_call", "record_of", "spec_of"]


def record_of(class_name: str) -> LayerSpec | None:
    """The record of whatever may stand in a model beside inputs and models; None for them and for a class that is not known."""
    if class_name == TEXT_VECTORIZATION.class_name:
        return TEXT_VECTORIZATION
    return LAYERS.get(class_name) or IDENTITIES.get(class_name)


FUNCTIONS = {
    function.__name__: function
    for spec in (*LAYERS.values(), TEXT_VECTORIZATION)
    for function in (spec.forward, spec.compute_mask)
    if function is not None
}
"""The reference's own functions by name, as a model calls them: ``xyz_forward``, and ``xyz_compute_mask`` of layers that make masks."""
