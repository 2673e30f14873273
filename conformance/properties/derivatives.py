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
    Left out are inputs that have no slope (see :func:`conformance.judging.finite_differences.smooth`), cases in which Keras contradicts
    its documentation, and ``unroll``, which changes nothing of a gradient.
    """
    seen = set()
    for case in loss_cases(name, "smoke") if name in LOSS_CASES else declared_cases(ALL[name], "smoke") if name in ALL else ():
        options = repr((len(case.shape), sorted({**case.config, **case.call}.items())))
        if smooth(layer_cases(name), case) and options not in seen and not _alike(case):
            seen.add(options)
            yield f"{name}-check_grads-{case.title}", case


def _alike(case: Case) -> bool:
    """Whether a case has no slope of its own: ``unroll`` changes nothing of a gradient, and the mean of nothing is not a number."""
    return bool(case.config.get("unroll")) or case.call.get("mask") == "none_kept"
