"""A dropout that draws its own mask is asked for channels_first, where no array of the oracle could tell."""

from __future__ import annotations

from typing import Any

import reference
from conformance.base.record import FAILED, PASSED
from conformance.suite.check import check


def ignoring(x: Any, rate: float, training: bool = False, data_format: str = "channels_last", seed: Any = None) -> Any:
    return reference.spatial_dropout2d_forward(x, rate=rate, training=training, seed=seed)


def test_a_data_format_that_is_ignored_is_found_without_a_mask_of_the_oracle() -> None:
    def found(function: Any) -> set[str]:
        report = check({"spatial_dropout2d_forward": function}, ["SpatialDropout2D"])
        return {record.status for record in report.records if "data_format" in record.id and record.kind == "random"}

    assert found(ignoring) == {FAILED}, "channels are dropped by rows, one by one"
    assert found(reference.spatial_dropout2d_forward) == {PASSED}, "the reference drops whole channels"
