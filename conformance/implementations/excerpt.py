"""Where in the user's code an import ended: file and line in words, and the line as Python shows it.

Imports the standard library alone.
"""

from __future__ import annotations

import importlib
import itertools
import traceback
from collections.abc import Sequence
from pathlib import Path

INSTALLED = {"site-packages", "dist-packages"}


def where_import_ended(error: BaseException, importer: str) -> tuple[str, str]:
    """The place in words, ready to follow a sentence, and the source line with its carets; both empty where it is not known.

    Of an exception that came from deep within a library it is the last line of the user's own files, so that it can be mended. The text of
    a ``SyntaxError`` has the place already.

    Parameters
    ----------
    error : BaseException
        What the import raised.
    importer : str
        The file that imports, whose own frames tell nothing.
    """
    if isinstance(error, SyntaxError) and error.filename:
        shown = traceback.TracebackException(type(error), error, None).format_exception_only()
        lines = list(itertools.takewhile(lambda line: line.startswith(" "), shown))
        return "", "".join(lines[1:]).rstrip()
    own = own_frame(list(traceback.extract_tb(error.__traceback__)), {importer, importlib.__file__})
    if own is None:
        return "", ""
    lines = traceback.StackSummary.from_list([own]).format()[0].splitlines()
    return f" ({Path(own.filename).name}, line {own.lineno})", "\n".join(lines[1:])


def own_frame(frames: Sequence[traceback.FrameSummary], importers: set[str]) -> traceback.FrameSummary | None:
    """The last frame in the folder of the file that was imported, or below it; None where nothing of it was run."""
    run = list(itertools.dropwhile(lambda frame: frame.filename in importers or frame.filename.startswith("<frozen"), frames))
    if not run:
        return None
    home = Path(run[0].filename).parent
    return next(frame for frame in reversed(run) if _is_below(home, Path(frame.filename)))


def _is_below(home: Path, file: Path) -> bool:
    return file.is_relative_to(home) and not INSTALLED & set(file.relative_to(home).parts)
