"""What live Keras need not be asked again.

The expected value of a float32 case is Keras's answer in float64, and what is allowed around it is often found by asking once more, on
absolute values, or three times more, on perturbed arrays. Where a recording by the same code and the same versions holds the case with the
same arrays, both come from there. Keras's own float32 answer is asked for all the same, and must lie within what is allowed; float64
cases, which judge the meaning, are asked anew altogether.
"""

from __future__ import annotations

import functools
from importlib.metadata import version

from conformance.base.arrays import Arrays, same
from conformance.base.errors import VectorsError
from conformance.cases.case import Case, FunctionCases, LayerCases
from conformance.cases.gradients import Backward
from conformance.oracle.expectation import Expectation
from conformance.oracle.recorded.generator import generator_hash
from conformance.oracle.recorded.reader import Recorded
from conformance.oracle.recorded.vectors import folder, manifest
from reference.layers import spec_of


def cached(layer: LayerCases, case: Case, arrays: Arrays) -> Expectation | None:
    """What was recorded for a case with these arrays, if it holds."""
    if not _may_be_cached(layer, case):
        return None
    try:
        (asked,) = Recorded().draws(layer, case, 0)
        return Recorded().expect(layer, case, asked) if same(asked, arrays) else None
    except VectorsError:
        return None


def cached_gradients(layer: LayerCases, case: Case, backward: Backward) -> Expectation | None:
    """The same of its gradients."""
    if not _may_be_cached(layer, case):
        return None
    try:
        asked = Recorded().backward(layer, case, 0)
        equal = same(asked.arrays, backward.arrays) and same(asked.grads, backward.grads)
        return Recorded().gradients(layer, case, asked) if equal else None
    except VectorsError:
        return None


def _may_be_cached(layer: LayerCases, case: Case) -> bool:
    """Not where Keras deviates from its documentation, nor where it draws a mask, which may be another one than was recorded."""
    drops = not isinstance(layer, FunctionCases) and spec_of(case.layer).drops
    return case.dtype == "float32" and case.deviation is None and not drops and is_current()


@functools.cache
def is_current() -> bool:
    """Whether the recording is of this code and of the versions installed here."""
    try:
        facts = manifest(folder())
    except VectorsError:
        return False
    versions = all(facts[name] == version(name) for name in ("keras", "tensorflow", "numpy"))
    return versions and facts["generator"] == generator_hash()
