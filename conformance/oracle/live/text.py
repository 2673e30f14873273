"""What Keras's TextVectorization makes of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.oracle.environment import import_keras, tensorflow
from conformance.oracle.expectation import TextExpectation


def expect_text(adapted: Sequence[str], asked: Any, options: Mapping[str, Any]) -> TextExpectation:
    """Adapt on texts and ask about others."""
    tf = tensorflow()
    layer = import_keras().layers.TextVectorization(**options)
    layer.adapt(tf.constant(list(adapted)))
    output = layer(tf.constant(asked))
    idf = np.asarray(layer._lookup_layer.idf_weights) if options.get("output_mode") == "tf_idf" else None
    rows = [np.asarray(row) for row in output] if options.get("ragged") else np.asarray(output)
    return TextExpectation(list(layer.get_vocabulary(include_special_tokens=True)), idf, rows)
