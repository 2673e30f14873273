"""Learning rates that follow from the number of the step: ``xyz(step, **options)``, with the names and defaults of Keras's schedules.

`step` counts from 0. As in Keras all of it is computed in float32, and a NumPy float32 is returned. Where there is a ``decay_steps``,
ValueError unless it is positive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = [
    "cosine_decay", "cosine_decay_restarts", "exponential_decay", "inverse_time_decay", "piecewise_constant_decay", "polynomial_decay",
]  # fmt: skip

Single = np.float32
HALF, ONE, PI = Single(0.5), Single(1), Single(np.pi)


def exponential_decay(
    step: int, *, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> Single:
    """``initial_learning_rate * decay_rate**(step / decay_steps)``; the exponent is cut to a whole number with `staircase`.

    Source: keras.optimizers.schedules.ExponentialDecay.
    """
    return Single(initial_learning_rate) * Single(decay_rate) ** _periods(step, decay_steps, staircase)


def inverse_time_decay(
    step: int, *, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> Single:
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``; the quotient is cut to a whole number with `staircase`.

    Source: keras.optimizers.schedules.InverseTimeDecay.
    """
    return Single(initial_learning_rate) / (ONE + Single(decay_rate) * _periods(step, decay_steps, staircase))


def piecewise_constant_decay(step: int, *, boundaries: Sequence[float], values: Sequence[float]) -> Single:
    """``values[i]`` for the first i with ``step <= boundaries[i]``, the last value beyond: a boundary still has the value before it.

    ValueError unless there is one value more than boundaries. Source: keras.optimizers.schedules.PiecewiseConstantDecay.
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError(f"{len(boundaries)} boundaries need {len(boundaries) + 1} values, not {len(values)}")
    # Boundaries are cast to the type of the step: fractions are cut off.
    return Single(values[sum(step > int(boundary) for boundary in boundaries)])


def polynomial_decay(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> Single:
    """``(initial - end) * (1 - step / decay_steps)**power + end``, `end` from there on.

    With `cycle`, `decay_steps` is multiplied by the smallest whole number that makes it at least `step` (and at least 1).

    Source: keras.optimizers.schedules.PolynomialDecay.
    """
    steps, now, end = _positive(decay_steps), Single(step), Single(end_learning_rate)
    if cycle:
        steps = steps * (np.ceil(now / steps) if step else ONE)
    else:
        now = min(now, steps)
    return (Single(initial_learning_rate) - end) * (ONE - now / steps) ** Single(power) + end


def cosine_decay(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> Single:
    """``initial * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``, ``initial * alpha`` from `decay_steps` on.

    With `warmup_target` the rate first goes in a straight line from `initial_learning_rate` to the target, in `warmup_steps`, and decays
    from there.

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983; keras.optimizers.schedules.CosineDecay.
    """
    steps, now, initial = _positive(decay_steps), Single(step), Single(initial_learning_rate)
    if warmup_target is not None:
        warm, target = Single(warmup_steps), Single(warmup_target)
        if now < warm:
            return Single((target - initial) * (now / warm) + initial)
        now, initial = now - warm, target
    return initial * (Single(1 - alpha) * _half_wave(min(now, steps) / steps) + Single(alpha))


def cosine_decay_restarts(
    step: int, *, initial_learning_rate: float, first_decay_steps: int, t_mul: float = 2.0, m_mul: float = 1.0, alpha: float = 0.0
) -> Single:
    """Cosine decays one after another, each `t_mul` times as long as the one before and starting `m_mul` times as high::

        initial * ((1 - alpha) * m_mul**i * (1 + cos(pi * f)) / 2 + alpha)

    where i decays are over and f is the part of the next one that is.

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983; keras.optimizers.schedules.CosineDecayRestarts.
    """
    longer, done = Single(t_mul), Single(step) / _positive(first_decay_steps)
    if longer == 1:
        over = np.floor(done)
        part = done - over
    else:
        # The first i decays take 1 + t_mul + ... + t_mul**(i - 1) = (1 - t_mul**i) / (1 - t_mul) times the first.
        over = np.floor(np.log(ONE - done * (ONE - longer)) / np.log(longer))
        part = (done - (ONE - longer**over) / (ONE - longer)) / longer**over
    lowest = Single(alpha)
    return Single(Single(initial_learning_rate) * ((ONE - lowest) * (Single(m_mul) ** over * _half_wave(part)) + lowest))


def _positive(steps: int) -> Single:
    if steps <= 0:
        raise ValueError(f"the number of steps must be positive, not {steps}")
    return Single(steps)


def _periods(step: int, decay_steps: int, staircase: bool) -> Single:
    """How many times `decay_steps` have passed."""
    periods = Single(step) / _positive(decay_steps)
    return Single(np.floor(periods)) if staircase else periods


def _half_wave(part: Single) -> Single:
    """From 1 at 0 down to 0 at 1."""
    return Single(HALF * (ONE + np.cos(PI * part)))
