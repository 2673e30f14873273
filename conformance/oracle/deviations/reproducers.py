"""Scripts of a few lines, each of which shows one deviation with Keras alone and returns True while it occurs.

Every function can be copied out and run where Keras 3 with the TensorFlow backend is installed, on a CPU with oneDNN on.
"""

from __future__ import annotations


def d1() -> bool:
    """A column added to a matrix comes out as a row."""
    import keras
    import numpy as np

    x, column = np.zeros((3, 3), "float32"), np.array([[0], [1], [2]], "float32")
    return not np.array_equal(keras.ops.add(x, column), x + column)


def d2() -> bool:
    """A bias for each filter, called and in a graph: the layer disagrees with itself."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.layers.Conv2D(4, 1, data_format="channels_first", bias_initializer="random_normal")])
    x = np.zeros((1, 2, 3, 4), "float32")
    return not np.allclose(model(x), model.predict_on_batch(x))


def d3() -> bool:
    """Unrolled and not, the same layer zeroes other steps."""
    import keras
    import numpy as np

    layer = keras.layers.LSTM(1, unroll=True, go_backwards=True, zero_output_for_mask=True, return_sequences=True)
    x, mask = np.ones((1, 3, 2), "float32"), np.array([[True, True, False]])
    unrolled, layer.unroll = layer(x, mask=mask), False
    return not np.allclose(unrolled, layer(x, mask=mask))


def d4() -> bool:
    """Unrolled and not, the backward half zeroes other steps."""
    import keras
    import numpy as np

    layer = keras.layers.Bidirectional(keras.layers.LSTM(1, unroll=True, return_sequences=True))
    x, mask = np.ones((1, 3, 2), "float32"), np.array([[True, True, False]])
    unrolled, layer.forward_layer.unroll, layer.backward_layer.unroll = layer(x, mask=mask), False, False
    return not np.allclose(unrolled, layer(x, mask=mask))


def d5() -> bool:
    """Two nearly equal values: about half each is right, and the sum must be 1."""
    import keras
    import numpy as np

    y = np.asarray(keras.activations.sparsemax(np.array([[1.0, 0.9]], "float32")))
    return not np.allclose(y, [[0.55, 0.45]])


def d8() -> bool:
    """The largest of four values that are all minus infinity, and of four that are all NaN."""
    import keras
    import numpy as np

    lowest = np.finfo("float32").min
    pool = keras.layers.MaxPooling2D()
    return all(pool(np.full((1, 2, 2, 1), value, "float32")) == lowest for value in (-np.inf, np.nan))


def d10() -> bool:
    """NaN shrinks to 0."""
    import keras
    import numpy as np

    nan = np.array([np.nan], "float32")
    return bool(keras.activations.soft_shrink(nan)[0] == 0 and keras.activations.hard_shrink(nan)[0] == 0)


def d11() -> bool:
    """An empty batch of 5 by 5 images through a 3 by 3 kernel is an empty batch of 3 by 3 images."""
    import keras
    import numpy as np

    try:
        return tuple(keras.layers.Conv2D(2, 3)(np.zeros((0, 5, 5, 1), "float32")).shape) != (0, 3, 3, 2)
    except Exception:
        return True


def d12() -> bool:
    """A mask that hides nothing."""
    import keras
    import numpy as np

    layer = keras.layers.Bidirectional(keras.layers.LSTM(2, stateful=True, return_state=True))
    try:
        layer(np.ones((1, 3, 2), "float32"), mask=np.ones((1, 3), bool))
    except TypeError:
        return True
    return False


def d13() -> bool:
    """A training step of a batch without samples."""
    import keras
    import numpy as np

    layer = keras.layers.BatchNormalization()
    layer(np.zeros((0, 2), "float32"), training=True)
    return bool(np.isnan(np.asarray(layer.moving_mean)).all())


def d15() -> bool:
    """A subnormal number times 1."""
    import keras
    import numpy as np

    x = np.full(8, 1e-40, "float32")
    return bool(np.all(np.asarray(keras.ops.multiply(x, np.float32(1))) == 0) and np.all(x * np.float32(1) != 0))


def d17() -> bool:
    """Dropout on the input alone."""
    import keras
    import numpy as np

    layer = keras.layers.LSTM(2, implementation=1, dropout=0.5)
    try:
        layer(np.ones((1, 3, 4), "float32"), training=True)
    except Exception:
        return True
    return False


def d18() -> bool:
    """The gradients 1 and 2 of one row, as an Embedding hands them on, and their sum."""
    import keras
    import numpy as np
    import tensorflow as tf

    found = []
    for gradient in (tf.IndexedSlices([[1.0], [2.0]], [0, 0], [1, 1]), tf.constant([[3.0]])):
        variable = tf.Variable([[0.0]])
        keras.optimizers.Adam(0.1).apply([gradient], [variable])
        found.append(variable.numpy())
    return not np.allclose(*found)


def d20() -> bool:
    """One NaN in a row of four, in float32 and in float64."""
    import keras
    import numpy as np

    row = np.array([[1.0, np.nan, 3.0, 0.5]])
    single, double = (np.isnan(keras.activations.softmax(row.astype(dtype))) for dtype in ("float32", "float64"))
    return not np.array_equal(single, double)


def d21() -> bool:
    """The same numbers as integers and as floats."""
    import keras
    import numpy as np

    x = np.array([[-2, 0, 1, 5]])
    layer = keras.layers.LayerNormalization()
    return not np.allclose(layer(x), layer(x.astype("float32")), atol=0.1)


def d22() -> bool:
    """One channel on an axis that is counted from the front, with a mask: the statistics have lost the axis."""
    import keras
    import numpy as np

    layer = keras.layers.BatchNormalization(axis=2)
    try:
        layer(np.ones((2, 3, 1), "float32"), training=True, mask=np.ones((2, 3), bool))
    except IndexError:
        return True
    return False


def d23() -> bool:
    """States of zeros, given, are those that the layer starts from anyway; but with them it reads the step that is masked."""
    import keras
    import numpy as np

    layer = keras.layers.GRU(1)
    x = keras.layers.Masking()(np.array([[[1], [1], [0]]], "float32"))
    return not np.allclose(layer(x, initial_state=keras.ops.zeros((1, 1))), layer(x))
