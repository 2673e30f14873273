"""What an exception may be meant for: the options of a call that it can be a refusal of, by what was raised and where.

An exception that the implementation's own code raised by ``raise`` or ``assert`` may be meant for any of them. A look-up in vain is about
the option whose value was looked up. None in the place of a weight that a function requires is one that is missing. Everything else is a
mistake: NumPy raises ``ValueError`` for broadcasting and ``TypeError`` for None.
Whether a refusal is one, only more questions tell (:mod:`conformance.judging.refusal`).

This file imports the standard library alone, and nothing here runs code of the implementation.
"""

from __future__ import annotations

import dis
import functools
import inspect
import re
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Any

from conformance.base.call import WEIGHTS, Question

SUITE = Path(__file__).resolve().parents[2]
INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
INSTALLED_BELOW = {"site-packages", "dist-packages"}
OF_THE_SUITE = (SUITE / "conformance", SUITE / "reference")
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
"""Instructions that look up a name which stands in the code; one that was made of a value is looked up by ``getattr``."""
CONSTANTS = {"LOAD_CONST", "RETURN_CONST"}
UNEXPECTED = re.compile(r"^(?P<function>[\w.<>]+)\(\) got an unexpected keyword argument '(?P<option>\w+)'")
MISSING = re.compile(r"^(?P<function>[\w.<>]+)\(\) missing \d+ required positional arguments?: ")
TOO_FEW = re.compile(r"^not enough values to unpack|^tuple index out of range$")


def may_refuse(error: BaseException, function: Callable[..., Any], question: Question) -> tuple[str, ...]:
    """The options that an exception may be meant for.

    Parameters
    ----------
    error : exception
        As it was caught where `function` was called.
    function : callable
    question : Question
        What it was called with.

    Returns
    -------
    tuple of str
        Names of keyword arguments, and :data:`WEIGHTS` where it may be a weight that is missing; empty for a mistake.
    """
    places = _places(error.__traceback__)
    own = [place for place in places if _is_own(place.tb_frame.f_code.co_filename, _module_of(function))]
    if not own:
        return ()
    operation = _operation(own[-1])
    if operation == "RAISE_VARARGS":  # of `raise`, and of `assert`
        return (*question.keywords, WEIGHTS)
    if _wants_a_weight(error, function, question):
        return (WEIGHTS,)
    code = own[-1].tb_frame.f_code
    # A value that the code names has a branch of its own there, in which something else went wrong.
    values = {name: value for name, value in question.keywords.items() if not (isinstance(value, str) and _names(code, name, value))}
    if isinstance(error, KeyError):
        return tuple(name for name, value in values.items() if len(error.args) == 1 and _made_of(error.args[0], value))
    if isinstance(error, AttributeError):
        return tuple(name for name, value in values.items() if operation not in ATTRIBUTES and _made_of(error.name, value))
    if isinstance(error, UnboundLocalError) or (isinstance(error, NameError) and operation == "LOAD_DEREF"):
        return tuple(name for name, value in values.items() if value is None or isinstance(value, str))
    return _of_a_call_within(error, own[-1], question.keywords)


def place_in_own_code(error: BaseException, function: Callable[..., Any]) -> tuple[str, int] | None:
    """File and line of an exception: the last in the implementation's own code, else where it was raised; None where nothing was run."""
    places = _places(error.__traceback__)
    own = [place for place in places if _is_own(place.tb_frame.f_code.co_filename, _module_of(function))]
    last = (own or places)[-1:]
    return (last[0].tb_frame.f_code.co_filename, last[0].tb_lineno) if last else None


def _module_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__module__", None) or type(function).__module__


def requires_missing(function: Callable[..., Any], question: Question) -> bool:
    """Whether a function gets None for a weight that it requires: without a default it does not say that it takes None.

    A weight at the end of the row is left out of the call, and shows in the signature; one in the middle cannot be.
    """
    if all(value is not None for value in question.positional):
        return False
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    given = zip(parameters, question.positional, strict=False)
    return any(value is None and one.default is one.empty and one.kind is not one.VAR_POSITIONAL for one, value in given)


def _wants_a_weight(error: BaseException, function: Callable[..., Any], question: Question) -> bool:
    """Whether an operation on None stopped a function that requires the weight in whose place it stands."""
    on_none = isinstance(error, TypeError | AttributeError) and "NoneType" in str(error)
    return on_none and requires_missing(function, question)


def _of_a_call_within(error: BaseException, place: TracebackType, keywords: Mapping[str, Any]) -> tuple[str, ...]:
    """What a function that was called in its turn does not take: an option that was handed on, or one weight less than it knows.

    That it takes more weights than there are shows as well where they are unpacked one by one.
    """
    if type(error) in (ValueError, IndexError):
        return (WEIGHTS,) if TOO_FEW.match(str(error)) else ()
    if type(error) is not TypeError:
        return ()
    unexpected, missing = UNEXPECTED.match(str(error)), MISSING.match(str(error))
    if unexpected and unexpected["option"] in keywords and _is_known(unexpected["function"], place):
        return (unexpected["option"],)
    return (WEIGHTS,) if missing and _is_known(missing["function"], place) else ()


def _places(traceback: TracebackType | None) -> list[TracebackType]:
    """Where the exception passed, the innermost last, without the frame that caught it."""
    places = []
    while traceback is not None:
        places.append(traceback)
        traceback = traceback.tb_next
    return places[1:]


def _operation(place: TracebackType) -> str:
    """The instruction that an exception came from."""
    return dis.opname[place.tb_frame.f_code.co_code[place.tb_lasti]]


@functools.cache
def _is_own(filename: str, module: str) -> bool:
    """Whether code belongs to the implementation: it lies where its module does, or is neither installed nor part of the suite."""
    if filename.startswith(("<frozen ", "<__array_function__ ")):
        return False
    path = Path(filename).resolve()
    if any(path.is_relative_to(home) for home in _homes(module)):
        return True
    installed = INSTALLED_BELOW & set(path.parts) or any(path.is_relative_to(folder) for folder in (*INSTALLED, *OF_THE_SUITE))
    return not installed


def _homes(module: str) -> list[Path]:
    """The file of a module, or the folder of the package that it is in."""
    top = getattr(sys.modules.get(module.partition(".")[0]), "__path__", None)
    found = top or [getattr(sys.modules.get(module), "__file__", None)]
    return [Path(place).resolve() for place in found if place]


def _names(code: CodeType, option: str, value: str) -> bool:
    """Whether a function names a value of an option; where it only compares another variable of its own with it, it does not."""
    before = None
    for one in dis.get_instructions(code):
        of_another = option in code.co_varnames and before in code.co_varnames and before != option
        if one.opname in CONSTANTS and _holds(one.argval, value) and not of_another:
            return True
        before = one.argval if one.opname.startswith("LOAD_FAST") else None
    return False


def _holds(constant: Any, value: str) -> bool:
    """Whether a constant is a text, or holds it: a tuple, a set, a function within."""
    if isinstance(constant, CodeType):
        return _holds(constant.co_consts, value)
    return any(_holds(one, value) for one in constant) if isinstance(constant, tuple | frozenset) else constant == value


def _made_of(name: Any, value: Any) -> bool:
    """Whether what was looked up is the value or was made of it: ``_relu`` of "relu", ``simple_rnn_forward`` of "SimpleRNN"."""
    if isinstance(value, str):
        return isinstance(name, str) and bool(value) and _bare(value) in _bare(name)
    return type(name) is type(value) and _is_plain(value) and bool(name == value)


def _bare(text: str) -> str:
    return text.casefold().replace("_", "")


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float) or (type(value) is tuple and all(map(_is_plain, value)))


def _is_known(called: str, place: TracebackType) -> bool:
    """Whether a function or class of this name, not an installed one, can be called where an exception came from."""
    first = called.partition(".")[0]
    there = place.tb_frame.f_globals
    home = str(there.get("__name__", ""))
    spaces = [there, *(vars(value) for value in there.values() if isinstance(value, ModuleType)), *_own_modules(home)]
    found = (space.get(first) for space in spaces)
    return any(isinstance(one, FunctionType | type) and _is_own(_file_of(one), home) for one in found)


def _own_modules(home: str) -> list[Mapping[str, Any]]:
    """What stands in the implementation's modules: where a function is called it may have another name than its own."""
    spaces = [vars(module) for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    files = ((space, space.get("__file__")) for space in spaces)
    return [space for space, file in files if isinstance(file, str) and _is_own(file, home)]


def _file_of(one: Any) -> str:
    """Where a function or a class was written: a function says so itself, whatever has become of its module."""
    if isinstance(one, FunctionType):
        return inspect.unwrap(one).__code__.co_filename
    return str(getattr(sys.modules.get(one.__module__), "__file__", "<unknown>"))
