"""The registry of Keras's deviations that the layers of the suite can meet.

Each entry has a function that shows the deviation with Keras alone and returns True while it occurs; its source is printed in
``reports/keras_deviations.md`` and run by the selftests, so that text and fact cannot drift apart. What the suite expects instead of
Keras's answer stands in :mod:`conformance.oracle.live.specified`; which cases meet a deviation is declared beside the cases.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from conformance.oracle.deviations import reproducers

VERIFIED_WITH = "3.15.1"
"""The version of Keras in which every entry was seen to occur."""

BY_MEANING = "the documented meaning"
EITHER = "either answer: nothing is documented, and Keras's own modes disagree"
AS_KERAS = "Keras's answer, or NaN for NaN (the cases that ask for it, `values=nan`, carry no number)"
NOT_ASKED = "nothing: no implementation is asked for it"


@dataclass(frozen=True)
class Deviation:
    """One place where Keras does other than it says, or than it does elsewhere.

    Attributes
    ----------
    id : str
        As in test ids: "D5".
    where : str
        Layers, options and mode.
    documented : str
        What the documentation says, or what its own other modes do.
    happens : str
        What happens instead.
    expected : str
        What the suite expects of an implementation.
    occurs : callable
        Shows it with Keras alone; True while it occurs.
    """

    id: str
    where: str
    documented: str
    happens: str
    expected: str
    occurs: Callable[[], bool]

    @property
    def script(self) -> str:
        """The source of :attr:`occurs`."""
        return inspect.getsource(self.occurs).rstrip()


DEVIATIONS = (
    Deviation(
        "D1",
        "`ops.add(x1, x2)`, hence `Add()` and the bias of `Conv1D` and `Conv2D(data_format=\"channels_first\")` called eagerly",
        "Broadcasting by NumPy's rules; a bias is added to each filter.",
        "If `x2` has one dimension above 1 and its size equals `x1.shape[-1]` (or else `x1.shape[1]`), it is added along that axis: a "
        "convolution whose output is as wide as it has filters gets its bias along the width. An empty batch of rows raises.",
        BY_MEANING,
        reproducers.d1,
    ),
    Deviation(
        "D2",
        "`Conv2D` that meets D1, in a graph (`predict`, `predict_on_batch`, `tf.function`)",
        "A layer computes the same in every mode.",
        "The graph optimizer fuses convolution and bias and hides D1: the same layer answers rightly in a graph and wrongly when called.",
        f"{BY_MEANING} (the suite calls layers eagerly, where D1 shows)",
        reproducers.d2,
    ),
    Deviation(
        "D3",
        "`SimpleRNN`, `LSTM`, `GRU(unroll=True, go_backwards=True, zero_output_for_mask=True, return_sequences=True)` with a mask",
        "`unroll` changes how the steps are run, not what they compute; `zero_output_for_mask` gives zeros at the masked steps.",
        "The outputs stand in reversed order and are zeroed by the mask that was not reversed.",
        BY_MEANING,
        reproducers.d3,
    ),
    Deviation(
        "D4",
        "`Bidirectional` over a layer with `unroll=True, return_sequences=True`, with a mask",
        "As without `unroll`.",
        "D3 in the backward half: Bidirectional zeroes masked outputs whenever it returns sequences.",
        BY_MEANING,
        reproducers.d4,
    ),
    Deviation(
        "D5",
        "`activations.sparsemax`, also as `activation=\"sparsemax\"` of a layer",
        "The projection onto the probability simplex (Martins and Astudillo 2016), whose values sum to 1.",
        "The threshold is the sum of cumulative sums instead of the last one: right only where one value alone is positive.",
        BY_MEANING,
        reproducers.d5,
    ),
    Deviation(
        "D8",
        "`MaxPooling1D` and `MaxPooling2D` of windows with NaN, or of nothing but `-inf`",
        "The maximum of a window. NumPy's propagates NaN, and that of `-inf` alone is `-inf`.",
        "NaN is ignored; a window of nothing else, or of `-inf` alone, gives the lowest finite number. Compiled by XLA it gives `-inf`. "
        "The gradient goes to the chosen cell, but to a NaN where that is the first cell of its window.",
        EITHER,
        reproducers.d8,
    ),
    Deviation(
        "D10",
        "`activations.soft_shrink` and `hard_shrink` of NaN",
        "`x - threshold`, `x + threshold` or 0 by comparisons that NaN fails; other activations answer NaN to NaN.",
        "0.",
        AS_KERAS,
        reproducers.d10,
    ),
    Deviation(
        "D11",
        "`Conv1D` and `Conv2D` of an empty batch in float32, `groups=1`, oneDNN on",
        "An empty batch gives an empty batch of the output's shape, as it does in float64 and with groups.",
        "With several input channels it raises; with one, the result has the input's height and width.",
        BY_MEANING,
        reproducers.d11,
    ),
    Deviation(
        "D12",
        "`Bidirectional(LSTM(stateful=True, return_state=True))` called with a mask",
        "A mask can be given to every call.",
        "`TypeError`: a generator is multiplied.",
        f"{NOT_ASKED}, `stateful` is never passed",
        reproducers.d12,
    ),
    Deviation(
        "D13",
        "`BatchNormalization` called with `training=True` on an empty batch",
        "An empty batch says nothing about the statistics.",
        "Both moving statistics become NaN, and stay so.",
        NOT_ASKED,
        reproducers.d13,
    ),
    Deviation(
        "D15",
        "Every layer, float32 numbers below 1.2e-38",
        "IEEE 754 has subnormal numbers there, and NumPy computes with them.",
        "TensorFlow flushes them to zero (not everywhere: short vectors may escape).",
        "either answer: results that small are never judged",
        reproducers.d15,
    ),
    Deviation(
        "D17",
        "`LSTM(implementation=1, dropout=0.5)`, so without `recurrent_dropout`, with `training=True`",
        "Both implementations compute the same; `dropout` works in each.",
        "It raises. (`implementation` is not in the layer's configuration, so that a saved layer returns to 2, and works.)",
        f"{NOT_ASKED}, `implementation` is never passed",
        reproducers.d17,
    ),
    Deviation(
        "D18",
        "Optimizers on the gradient of an Embedding in whose batch an id comes twice",
        "A gradient is the sum over all places where the variable is used.",
        "The rows are not added up first: squares are summed row by row (the first step of Adam for 1 and 2 is 0.134, not 0.1), norms are "
        "formed and values clipped row by row. Sums, as of momentum, are right, and so is everything with `gradient_accumulation_steps`.",
        f"{NOT_ASKED}, gradients are passed as whole arrays; the training of the reference does as Keras",
        reproducers.d18,
    ),
    Deviation(
        "D20",
        "`activations.softmax` of a row with NaN or `+inf`, also as `activation=\"softmax\"` of a layer",
        "`exp(x) / sum(exp(x))`: the sum is NaN, and with it the whole row. float64 and XLA do so, and so does `log_softmax`.",
        "In float32, eagerly and in a graph, NaN stands where the NaN or `inf` stood (in long rows at another place too); the rest is 0.",
        EITHER,
        reproducers.d20,
    ),
    Deviation(
        "D21",
        "`LayerNormalization` of whole numbers (an integer dtype)",
        "The layer computes in its own dtype, float32, as it does for the same numbers given as floats.",
        "Scale and offset are cast to integers: the result is rounded to whole numbers.",
        NOT_ASKED,
        reproducers.d21,
    ),
    Deviation(
        "D22",
        "`BatchNormalization(axis=2)` of sequences with one channel, with a mask and `training=True` (`axis=1` of one step likewise)",
        "The last of three axes is axis 2 as well as axis -1.",
        "`IndexError`: the statistics are squeezed, which takes their only axis. With `axis=-1` it works.",
        BY_MEANING,
        reproducers.d22,
    ),
    Deviation(
        "D23",
        "`SimpleRNN`, `LSTM`, `GRU`, `Bidirectional` called with `initial_state` on a sequence that carries a mask (of Masking, Embedding)",
        "A layer finds the mask that its input carries.",
        "With a second array among its arguments it does not: masked steps are read. The sequence that it returns carries the mask on.",
        "Keras's answer of whole models, whose graph passes no mask there; a layer alone gets its mask as an argument, which Keras honours",
        reproducers.d23,
    ),
)
"""In the order of their numbers; numbers that are missing belong to layers that the suite has no cases for yet."""
