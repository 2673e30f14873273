"""Figures that depend on the processor, coarse enough to be stored: the same on every machine, or nearly.

Where a measurement lies near the edge between two coarse values, two machines may land on either side of it. So a stored value is
kept while a new measurement is less than a factor of :data:`SLACK` outside of what it stands for (:func:`kept`).
"""

from __future__ import annotations

import math

EXACT = "exact"
ABOVE = "> 1"
EDGES = (0.1, 0.25, 0.5, 1.0)
BUCKETS = (EXACT, *(f"≤ {edge:g}" for edge in EDGES), ABOVE)
"""The words for an error as a share of what is allowed; the last one is a failure."""
SLACK = 2.0


def bucket(ratio: float) -> str:
    """The bucket of an error over its tolerance: "exact" for 0, else the least edge that is not exceeded."""
    if ratio == 0:
        return EXACT
    return next((f"≤ {edge:g}" for edge in EDGES if ratio <= edge), ABOVE)


def kept_bucket(stored: str | None, ratio: float) -> str:
    """The stored bucket while the measurement is near it, else the measurement's own; exactness and failure are never smoothed."""
    own = bucket(ratio)
    if stored not in BUCKETS[1:-1] or own not in BUCKETS[1:-1]:
        return own
    place = BUCKETS.index(stored) - 1
    lower = EDGES[place - 1] if place else 0.0
    return stored if lower / SLACK < ratio <= EDGES[place] * SLACK else own


def power_of_ten(value: float) -> float:
    """The least power of ten that is not below a value; 0 stays 0."""
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    # Decimal literals, so that 1e-07 is the float that JSON reads back; the logarithm may be off by one beside a power.
    return next(power for power in (float(f"1e{exponent + step}") for step in (-1, 0, 1, 2)) if power >= value)


def kept_power(stored: float | None, value: float) -> float:
    """The stored power of ten while the measurement is near what it stands for, else the measurement's own."""
    if not stored:
        return power_of_ten(value)
    return stored if stored / 10 / SLACK < value <= stored * SLACK else power_of_ten(value)
