"""What may not be called: functions that would do the assignment's work (``np.convolve`` where a convolution is asked for).

A function written in Python gets another body, so that it refuses by whatever name it is reached; of one written in C every name in its
package leads to one that refuses. That names a call with its line. It is no lock: who copies such a function's source into a submission
has it.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from conformance.implementations.sandbox.attempts import attempts

SEARCHED = ("numpy", "numpy.linalg", "numpy.lib.stride_tricks", "numpy.fft")
"""Where a name without dots is looked up."""
HOOK = "__conform_refuse__"


class ForbiddenCallError(RuntimeError):
    """A function was called that may not be called here."""


def forbid(names: Sequence[str]) -> None:
    """Let functions refuse to be called. A name without dots that no function has is one of a package, which nobody finds.

    Raises
    ------
    ValueError
        If there is no function of a name with dots.
    """
    for name in names:
        found = _found(name)
        if found is not None:
            _replace(*found)


def _found(name: str) -> tuple[str, Any] | None:
    """A function and its name in full."""
    if "." not in name:
        owners = ((f"{place}.{name}", getattr(importlib.import_module(place), name, None)) for place in SEARCHED)
        return next(((full, value) for full, value in owners if callable(value)), None)
    full = f"numpy.{name[3:]}" if name.startswith("np.") else name
    owner, _, last = full.rpartition(".")
    with contextlib.suppress(ImportError, AttributeError):
        value = getattr(importlib.import_module(owner), last)
        if callable(value):
            return full, value
    raise ValueError(f"the function {name}, which may not be called, is not there")


def _replace(name: str, function: Any) -> None:
    refusing = _code(name)
    body = inspect.unwrap(getattr(function, "_implementation", function))
    if isinstance(body, FunctionType) and not body.__code__.co_freevars:
        body.__globals__[HOOK] = _refuse
        body.__code__, body.__defaults__, body.__kwdefaults__ = refusing, None, None
        return
    instead = FunctionType(refusing, {HOOK: _refuse, "__builtins__": builtins}, name.rpartition(".")[2])
    package = name.partition(".")[0]
    for module in [value for key, value in sys.modules.items() if key.partition(".")[0] == package]:
        for key in list(_names_of(module, function)):
            setattr(module, key, instead)


def _names_of(module: Any, function: Any) -> Iterator[str]:
    return (key for key, value in vars(module).items() if value is function)


def _code(name: str) -> CodeType:
    """The body of a function that refuses."""
    constants = tuple(name if value == _pattern.__name__ else value for value in _pattern.__code__.co_consts)
    return _pattern.__code__.replace(co_consts=constants)


def _pattern(*arguments: Any, **options: Any) -> Any:
    return __conform_refuse__("_pattern")  # type: ignore[name-defined]  # noqa: F821


def _refuse(name: str) -> Callable[..., Any]:
    attempts.note(f"{name} may not be called")
    raise ForbiddenCallError(f"{name} may not be called here")
