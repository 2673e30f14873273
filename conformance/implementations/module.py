"""An implementation that is a Python module, called in this process.

Right for one's own code; what may crash or hang belongs in a process of its own.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import importlib.util
import inspect
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from conformance.base.call import REFUSED, WEIGHTS, Answer, Question, place_of
from conformance.base.errors import UnimportableError
from conformance.base.record import ERROR, PASSED, UNSUPPORTED
from conformance.implementations.excerpt import own_frame, where_import_ended
from conformance.implementations.raised import may_refuse, place_in_own_code, requires_missing

PRINTED_AT_MOST = 2000
TEXT_AT_MOST = 300
SANDBOX = Path(__file__).parent / "sandbox"


class ModuleImplementation:
    """The functions of a module, a file (``my_layers.py``) or an attribute of it (``my_layers.py:layers``).

    The module is imported at the first call. When that fails every call is answered with the reason, so that collection never breaks.
    Where the module, a mapping or another object with the functions is at hand, `space` is that, and nothing is imported.
    """

    def __init__(self, spec: str, space: Any = None) -> None:
        self.spec, self._space = spec, space

    def ask(self, question: Question) -> Answer:
        """Call a function with fresh copies of the arguments; every exception but ``KeyboardInterrupt`` becomes an answer."""
        refusal = self.refusal(question)
        function = None if refusal else self.function(question.function)
        return _call(function, question) if function else refusal or Answer(UNSUPPORTED)

    def refusal(self, question: Question) -> Answer | None:
        """The answer to a question that cannot be asked: no import, no function, or no parameter for an argument. None where it can."""
        try:
            function = self.function(question.function)
        except UnimportableError as error:
            return Answer(ERROR, message=str(error))
        if function is None:
            return Answer(UNSUPPORTED, message=f"{self.spec} has no function {question.function}")
        missing = unaccepted(function, question)
        return Answer(UNSUPPORTED, message=f"{question.function} {missing}") if missing else None

    def has(self, name: str) -> bool:
        """Whether there is a function of this name; :class:`UnimportableError` where it cannot be imported."""
        return self.function(name) is not None

    def names(self) -> dict[str, bool]:
        """The public names of what it defines itself and can call, and whether each is a class; ``UnimportableError`` as :meth:`has`."""
        space = self.space
        found = space if isinstance(space, Mapping) else {name: inspect.getattr_static(space, name, None) for name in dir(space)}
        package = space.__name__.partition(".")[0] if isinstance(space, ModuleType) else None
        own = {str(name): value for name, value in found.items() if callable(value) and package in (None, _package_of(value))}
        return {name: isinstance(value, type) for name, value in own.items() if not name.startswith("_")}

    def overwrites(self, question: Question, other: Question) -> bool:
        """Whether the answer to `question`, kept, changes while `other` is asked."""
        kept = self.ask(question).value
        as_returned = copy.deepcopy(kept)
        self.ask(other)
        parts = [value if isinstance(value, tuple) else (value,) for value in (kept, as_returned)]
        return not all(np.array_equal(now, then, equal_nan=np.asarray(then).dtype.kind == "f") for now, then in zip(*parts, strict=True))

    def predictor(self, path: Path) -> Callable[[Any], Any] | None:
        """The ``predict`` of what the implementation's own ``load_model`` makes of a file; None where it has no ``load_model``."""
        load_model = self.function("load_model")
        if load_model is None:
            return None
        predict: Callable[[Any], Any] = load_model(path).predict
        return predict

    def close(self) -> None:
        """Nothing is left behind by functions that were called here."""

    @property
    def space(self) -> Any:
        """Where the functions are looked up; :class:`UnimportableError` where that cannot be imported."""
        return load(self.spec) if self._space is None else self._space

    def function(self, name: str) -> Callable[..., Any] | None:
        """A function of the implementation by name, or None; :class:`UnimportableError` where it cannot be imported."""
        space = self.space
        try:
            found = space.get(name) if isinstance(space, Mapping) else getattr(space, name, None)
        except Exception as error:
            raise UnimportableError(f"{self.spec}: looking up {name} raised {_one_line(error)}") from None
        return found if callable(found) else None


def find(spec: str) -> str | None:
    """Why an implementation of this name cannot be looked for, or None: the file or module is not there. Imports nothing of it."""
    target, _ = split_name(spec)
    path = Path(target)
    if target.endswith(".ipynb"):
        return f"{target} is a notebook: save its functions as a .py file, or call conformance.check in the notebook"
    if target.endswith(".py") and not path.is_dir():
        return None if path.is_file() else f"there is no file {target}"
    if _is_module(target):
        return None
    if path.is_dir():
        example = next((f", such as {file}" for file in sorted(path.glob("[!_]*.py"))), "")
        return f"{target} is a folder: name the file with the functions{example}"
    if path.is_file():
        return f"{target} is not a Python file: the name of one ends in .py"
    return f"there is no module {target!r} (a file is named with its ending: {target}.py)"


def _is_module(name: str) -> bool:
    """Whether there is a module of this name; a folder that only could hold modules is none."""
    _add_working_folder()
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        return not f"{name}.".startswith(f"{error.name}.")
    except ValueError:
        return False
    except (Exception, SystemExit):  # of a package around it, whose import will say so
        return not name.startswith(".")
    return found is not None and found.origin is not None


def _package_of(function: Any) -> str:
    """The top-level name of the module in which something was defined."""
    return str(getattr(function, "__module__", "")).partition(".")[0]


def _add_working_folder() -> None:
    """A module beside the command's working folder is found, as with ``python -m``, after everything installed."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


_LOADED: dict[str, Any] = {}


def load(spec: str) -> Any:
    """Import a module or a file, once in a process, and return it or the attribute that the name asks for.

    Whatever it raises becomes an ``UnimportableError``, ``KeyboardInterrupt`` apart: that is the user's, and stops the run.
    """
    if spec not in _LOADED:
        try:
            target, attribute = split_name(spec)
            _add_working_folder()
            module = _load_file(Path(target)) if target.endswith(".py") else importlib.import_module(target)
            _LOADED[spec] = getattr(module, attribute) if attribute else module
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            place, line = where_import_ended(error, __file__)
            said = " ".join(_text(error).split())
            _LOADED[spec] = UnimportableError(f"{spec} cannot be imported: {type(error).__name__}: {said}{place}", line)
    if isinstance(_LOADED[spec], UnimportableError):
        raise _LOADED[spec]
    return _LOADED[spec]


def split_name(spec: str) -> tuple[str, str]:
    """A module or file and the attribute of it that a name asks for, which may be empty."""
    target, colon, attribute = spec.rpartition(":")
    # A colon that is followed by a separator belongs to a path ("C:\layers.py").
    return (target, attribute) if colon and attribute.isidentifier() and len(target) > 1 else (spec, "")


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"conform_iut_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # What it imports from beside itself is found as when it is run.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def unaccepted(function: Callable[..., Any], question: Question) -> str | None:
    """Why the signature does not take the call, in words; None where it does."""
    form = len(question.positional), tuple(question.keywords)
    try:
        return _unaccepted(function, *form)
    except TypeError:  # it has no hash
        return _unaccepted.__wrapped__(function, *form)


@functools.lru_cache(maxsize=4096)  # thousands of calls have the same few forms
def _unaccepted(function: Callable[..., Any], count: int, keywords: tuple[str, ...]) -> str | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*(None,) * count, **dict.fromkeys(keywords))
    except TypeError as error:
        parameters = signature.parameters.values()
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        refused = [] if takes_any else [name for name in keywords if name not in signature.parameters]
        if refused:
            return REFUSED + ", ".join(refused)
        return f"does not accept the call with {count} arguments by position: {error}"
    return None


def _call(function: Callable[..., Any], question: Question) -> Answer:
    positional, keywords = _copied(question.positional), _copied(dict(question.keywords))
    output = io.StringIO()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        warnings.catch_warnings(record=True) as warned,
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("always")
        try:
            value = function(*positional, **keywords)
        except NotImplementedError as error:
            return Answer(UNSUPPORTED, message=f"{question.function}: {_text(error) or 'not implemented'}")
        except KeyboardInterrupt:  # the user's, even if the function raised it itself: it stops the run
            raise
        except BaseException as error:  # neither SystemExit nor what ends a test of pytest is an Exception
            message, printed = f"{question.function} raised {_one_line(error, function)}", output.getvalue()[:PRINTED_AT_MOST]
            return Answer(ERROR, message=message, printed=printed, refused=may_refuse(error, function, question))
    if _is_nan_of_none(value, function, question):
        message = f"{question.function} gives NaN where a weight is None, which stands for one that an option removes"
        return Answer(ERROR, message=message, printed=output.getvalue()[:PRINTED_AT_MOST], refused=(WEIGHTS,))
    printed = (output.getvalue() + "".join(f"{warning.message}\n" for warning in warned))[:PRINTED_AT_MOST]
    changed = tuple(name for name, before, after in _arguments(question, positional, keywords) if not _same(before, after))
    return Answer(PASSED, value, changed=changed, printed=printed)


def _is_nan_of_none(value: Any, function: Callable[..., Any], question: Question) -> bool:
    """Whether a function that requires a weight made NaN of the None in its place, as ``np.asarray(None, float)`` does without a word."""
    if not requires_missing(function, question) or any(np.isnan(one).any() for one in _floats(question.positional)):
        return False
    return any(one.size and np.isnan(one).all() for one in _floats(value))


def _floats(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays of floats in a value."""
    if isinstance(value, tuple | list):
        for one in value:
            yield from _floats(one)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        yield value


def _copied(value: Any) -> Any:
    """What ``copy.deepcopy`` makes of the arrays, tuples, lists and mappings that questions are made of, in a quarter of the time."""
    if type(value) is np.ndarray and value.dtype.kind != "O":
        return value.copy(order="K")
    if type(value) in (tuple, list):
        return type(value)(map(_copied, value))
    if type(value) is dict:
        return {name: _copied(item) for name, item in value.items()}
    return copy.deepcopy(value)


def _arguments(question: Question, positional: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    by_position = zip(question.positional, positional, strict=True)
    numbered = [(place_of(n), before, after) for n, (before, after) in enumerate(by_position)]
    return numbered + [(name, question.keywords[name], keywords[name]) for name in question.keywords]


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(_same(b, a) for b, a in zip(before, after, strict=True))
    if isinstance(before, np.ndarray):
        if before.shape != after.shape:
            return False
        same_bytes = before.dtype == after.dtype and before.tobytes() == after.tobytes()
        return same_bytes or np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(_same(value, after[name]) for name, value in before.items())
    # An optimizer's state may be an object of its own class, whose copies are equal to nothing.
    return type(before).__eq__ is object.__eq__ or bool(np.all(before == after))


def _one_line(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """Type and text of an exception, and its place: where it is that of a call, the last line of the implementation's own."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    if last and Path(last.filename).parent == SANDBOX:  # which refused what the implementation wanted
        last = own_frame(frames, {__file__}) or last
    found = (last.filename, last.lineno) if last else None
    found = (found if function is None else place_in_own_code(error, function)) or found
    place = f" ({Path(found[0]).name}, line {found[1]})" if found else ""
    return f"{type(error).__name__}: {_text(error)}{place}"


def _text(error: BaseException) -> str:
    """What an exception says, cut to a readable length; its own ``__str__`` may fail as well."""
    try:
        text = str(error)
    except Exception:
        return "(its text cannot be read)"
    return text if len(text) <= TEXT_AT_MOST else f"{text[:TEXT_AT_MOST]} ..."
