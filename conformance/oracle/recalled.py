"""What live Keras need not be asked again.

What is allowed around float32 outputs is often found by asking Keras in float64 once more, on absolute values, or three times more, on
perturbed arrays. Where a recording by the same code and the same versions holds the case with the same arrays, the allowance is taken
from there; what Keras answers is asked anew all the same.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from importlib.metadata import version

from conformance.arrays import Arrays, same
from conformance.cases.case import Case, LayerCases
from conformance.cases.gradients import Backward
from conformance.oracle.expectation import Expectation
from conformance.oracle.recorded import Recorded
from conformance.oracle.rerecording import generator_hash
from conformance.oracle.vectors import VectorsError, folder, manifest


def with_recalled_allowance(found: Expectation, layer: LayerCases, case: Case, arrays: Arrays) -> Expectation:
    """What Keras answered, with the allowance that was recorded for the same arrays, if one was."""
    if case.dtype != "float32" or not is_current():
        return found
    recorded = Recorded()
    try:
        (asked,) = recorded.draws(layer, case, 0)
    except VectorsError:
        return found
    return replace(found, rounding=recorded.expect(layer, case, asked).rounding) if same(asked, arrays) else found


def with_recalled_response(found: Expectation, layer: LayerCases, case: Case, backward: Backward) -> Expectation:
    """The same of gradients, which are asked about on perturbed arrays as well."""
    if case.dtype != "float32" or not is_current():
        return found
    recorded = Recorded()
    try:
        asked = recorded.backward(layer, case, 0)
    except VectorsError:
        return found
    if not (same(asked.arrays, backward.arrays) and same(asked.grads, backward.grads)):
        return found
    return replace(found, rounding=recorded.gradients(layer, case, asked).rounding)


@functools.cache
def is_current() -> bool:
    """Whether the recording is of this code and of the versions installed here."""
    try:
        facts = manifest(folder())
    except VectorsError:
        return False
    versions = all(facts[name] == version(name) for name in ("keras", "tensorflow", "numpy"))
    return versions and facts["generator"] == generator_hash()
