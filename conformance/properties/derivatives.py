"""The property that a backward pass is the derivative of the forward pass of the same implementation, and the cases that it is asked in."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.cases import ALL, layer_cases
from conformance.cases.case import Case, declared_cases
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.judging.finite_differences import smooth


def derivative_cases(name: str) -> Iterator[tuple[str, Case]]:
    """Declared cases of a layer, an activation function or a loss, with the id of the property: of every combination of options the first.

    A declaration puts every value of every option alone, and what is only wrong together, masks with states say, in special cases.
    Left out are inputs that have no slope (see :func:`conformance.judging.finite_differences.smooth`), the mean of nothing, which is not a
    number, ``unroll``, which changes nothing of a gradient, and large arrays of one sign, which are there for rounding and among which the
    largest values lie close together.
    """
    seen = set()
    for case in loss_cases(name, "smoke") if name in LOSS_CASES else declared_cases(ALL[name], "smoke") if name in ALL else ():
        options = {**case.config, **case.call}
        key = repr((len(case.shape), sorted(options.items())))
        left_out = options.get("unroll") or options.get("mask") == "none_kept" or options.get("values") == "positive"
        if smooth(layer_cases(name), case) and not left_out and key not in seen:
            seen.add(key)
            yield f"{name}-check_grads-{case.title}", case
