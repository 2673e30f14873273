"""The oracles of whole models: what is asked twice is answered once."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.models.oracles import Remembered
from conformance.oracle.live.activations import Traced


class Counting:
    """An oracle that notes what it is asked."""

    name, version = "counting", "1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def outputs(self, x: Any) -> list[Any]:
        self.asked.append("outputs")
        return [x["x"] + 1]

    def output_bounds(self, x: Any) -> list[float]:
        self.asked.append("output_bounds")
        return [float(np.sum(x["x"]))]

    def activations(self, x: Any) -> Any:
        self.asked.append("activations")
        return lambda batch: {"layer": Traced((batch["x"],), (None,))}

    def layer_bounds(self, x: Any, batch_size: int) -> list[float]:
        self.asked.append("layer_bounds")
        return [float(batch_size)]

    def final_activation(self) -> str | None:
        return "softmax"


def test_the_same_question_is_asked_once_and_another_one_again() -> None:
    counting = Counting()
    oracle = Remembered(counting)
    x, other = {"x": np.arange(6.0).reshape(3, 2)}, {"x": np.arange(6.0).reshape(3, 2) + 1}
    for asked in (x, {"x": x["x"].copy()}, other):
        assert np.array_equal(oracle.outputs(asked)[0], asked["x"] + 1), "the answer is that to these arrays"
        assert oracle.output_bounds(asked) == [asked["x"].sum()], "and so are the bounds"
    assert counting.asked.count("outputs") == counting.asked.count("output_bounds") == 2, f"asked was {counting.asked}"
    assert [oracle.layer_bounds(x, size) for size in (7, 7, 9)] == [[7.0], [7.0], [9.0]], "a size of batches is a part of the question"
    assert counting.asked.count("layer_bounds") == 2, f"asked was {counting.asked}"
    for asked in (x, other):
        (layer,) = oracle.activations(asked)(asked)["layer"].outputs
        assert np.array_equal(layer, asked["x"]), "the layers answer each batch"
    assert counting.asked.count("activations") == 1, "one function is made for all batches of a form"
    assert (oracle.name, oracle.version, oracle.final_activation()) == ("counting", "1", "softmax"), "it is the same oracle to a reader"
