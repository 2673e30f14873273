"""What a check says of options that never met: of losses as of layers."""

from __future__ import annotations

from typing import Any

import reference
from conformance.suite.check import check


def huber(y_true: Any, y_pred: Any, delta: float = 1.0, mask: Any = None) -> Any:
    if mask is not None and delta != 1.0:
        raise NotImplementedError("a mask with another delta")
    return reference.huber(y_true, y_pred, delta=delta, mask=mask)


def test_options_of_a_loss_that_never_met_are_told() -> None:
    report = check({"huber": huber}, ["huber"])
    assert report.ok and report.never_met == ["delta and mask (huber)"], f"what was not asked is said of a loss, too: {report.never_met}"
    whole = check({"huber": reference.huber}, ["huber"])
    assert whole.never_met == [], f"what takes all has met all: {whole.never_met}"


def test_a_rate_that_does_nothing_without_training_is_none_of_a_layers_options() -> None:
    def lstm_forward(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, return_sequences: bool = False) -> Any:
        return reference.lstm_forward(x, kernel, recurrent_kernel, bias, return_sequences=return_sequences)

    report = check({"lstm_forward": lstm_forward}, ["LSTM"])
    assert report.ok and report.passed and report.never_met == [], f"dropout acts in training alone: {report.never_met}"
