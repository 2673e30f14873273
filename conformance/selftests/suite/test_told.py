"""What a check asks only where no answer has settled it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import conformance
import reference


def asked(backward: Any) -> set[str]:
    report = conformance.check(SimpleNamespace(relu=reference.relu, relu_backward=backward), ["relu"])
    return {record.id for record in report.records if "check_grads" in record.id}


def test_slopes_are_asked_for_only_where_a_gradient_is_not_that_of_keras() -> None:
    case = "test_properties[relu-check_grads-rows]"
    assert case not in asked(reference.relu_backward), "a gradient that is Keras's settles it, since the forward pass is asked as well"
    assert case in asked(lambda *a, **options: 2 * reference.relu_backward(*a, **options)), "a wrong one is held against its forward pass"
