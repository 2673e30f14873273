"""The conformance suite for Keras layers: :func:`check` for a program, :func:`parametrize_with_layers` for a test file of one's own.

Both are imported when they are asked for: pytest imports this file in every run of an environment that has the plugin.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.plugin.own_tests import parametrize_with_layers
    from conformance.suite.check import check

__version__ = "0.1.0"
__all__ = ["check", "parametrize_with_layers"]


def __getattr__(name: str) -> Any:
    if name == "check":
        from conformance.suite.check import check

        return check
    if name == "parametrize_with_layers":
        from conformance.plugin.own_tests import parametrize_with_layers

        return parametrize_with_layers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
