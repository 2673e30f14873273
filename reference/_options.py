"""Options that are written once, where they are read: a function that hands ``**options`` on still names them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def takes_options_of(*sources: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator: in the signature of the function the keyword-only parameters of `sources` stand in the place of its ``**options``.

    So ``help`` shows them with their defaults, ``inspect.signature(function).bind`` refuses what is none of them, and so does the function:
    TypeError, as if it named them itself. Their types, for a checker, are those of the ``Unpack[...]`` that the function is written with.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function, follow_wrapped=False)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        read = [one for source in sources for one in inspect.signature(source).parameters.values() if one.kind is one.KEYWORD_ONLY]
        signature = signature.replace(parameters=[*own, *read])

        @functools.wraps(function)
        def checked(*given: Any, **options: Any) -> Any:
            for name in options:
                if name not in signature.parameters:
                    raise TypeError(f"{function.__name__}() got an unexpected keyword argument {name!r}")
            return function(*given, **options)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return cast(F, checked)

    return decorate
