"""What can become of a case, and what became of one, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PASSED = "passed"
FAILED = "failed"
UNSUPPORTED = "unsupported"
ERROR = "error"
TIMEOUT = "timeout"
BLOCKED = "blocked"
SKIPPED = "skipped"
STATUSES = (PASSED, FAILED, UNSUPPORTED, ERROR, TIMEOUT, BLOCKED, SKIPPED)
FAILED_STATUSES = (FAILED, ERROR, TIMEOUT)
KNOWABLE = (FAILED, ERROR)
"""What a known failure (``--conform-xfail``) may be."""
PROPERTY = "property"
"""The kind of record of an equation between answers."""
CORE, EDGE = "core", "edge"
LEVELS = (CORE, EDGE)
"""Whether a question is what everybody means by the layer, or about an unusual input that many right layers do not care for."""


@dataclass(frozen=True)
class Record:
    """What became of one case.

    Attributes
    ----------
    id : str
        The test id without its file.
    layer : str
        Keras class, activation function or model.
    kind : str
        The pass that was judged: 'forward', 'mask', 'model' ... ("pass" in JSON).
    status : str
    options : mapping of option to the words for its value
    error_over_allowance, keras_error_over_allowance : float or None
        Of the implementation and of Keras itself, in the case's dtype.
    message : str
    needs : tuple of str
        Layers that this one is built on.
    remarks : tuple of str
        What a pass does not hide.
    level : str
        'core' or 'edge'.
    axes : int
        How many axes the input has, where there is one.
    known_failure : str
        The reason that ``--conform-xfail`` gives for a failure or an error; beside a pass, one that did not come true.
    """

    id: str
    layer: str
    kind: str
    status: str
    options: Mapping[str, str] = field(default_factory=dict)
    error_over_allowance: float | None = None
    keras_error_over_allowance: float | None = None
    message: str = ""
    needs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    known_failure: str = ""
    level: str = CORE
    axes: int = 0

    @property
    def fails_as_known(self) -> bool:
        """Whether this is a failure that was expected."""
        return bool(self.known_failure) and self.status in KNOWABLE

    @property
    def waits(self) -> bool:
        """Whether this is an equation with another layer that is wrong itself, so that nothing follows for this one."""
        return self.status == BLOCKED and self.kind == PROPERTY

    def as_json(self) -> dict[str, Any]:
        """The record as ``--conform-json`` writes it."""
        return {
            "id": self.id,
            "layer": self.layer,
            "pass": self.kind,
            "status": self.status,
            "options": dict(self.options),
            "error_over_allowance": self.error_over_allowance,
            "keras_error_over_allowance": self.keras_error_over_allowance,
            "message": self.message,
            "level": self.level,
            **({"known_failure": self.known_failure} if self.known_failure else {}),
        }


def blocked_by(causes: Sequence[str], message: str) -> str:
    """What is said of a failure for which others are to blame; `message` is what was seen."""
    return f"blocked by {', '.join(causes)}, which fails on its own; here: {message}"
