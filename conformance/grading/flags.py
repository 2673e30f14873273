"""What a person should look at in a submission: imports, names and texts that honest layers have no use for. Never changes a point."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from conformance.grading.paths import shown

_MODULES = """
atexit asyncio builtins code codeop concurrent ctypes dis faulthandler gc http imp importlib inspect io linecache marshal mmap
multiprocessing os pathlib pickle pkgutil platform posix pty requests resource runpy shutil signal site socket sqlite3 ssl subprocess sys
tempfile threading traceback types urllib weakref zipimport
conformance reference pytest unittest
jax joblib keras onnxruntime scipy sklearn tensorflow tinygrad torch
"""
_NAMES = """
eval exec compile open input breakpoint globals locals vars setattr delattr getattr memoryview settrace setprofile
__import__ __builtins__ __subclasses__ __globals__ __code__ __closure__ __bases__ __mro__ __loader__ __spec__ __class__ __dict__
__reduce__ __reduce_ex__ __del__ __array_ufunc__ __array_function__ __array_finalize__ __eq__
f_back f_locals f_globals gi_frame cr_frame tb_frame _getframe
fromfile memmap load loadtxt genfromtxt tofile as_strided
"""
MODULES, NAMES = frozenset(_MODULES.split()), frozenset(_NAMES.split())
"""Functions and attributes; ``open`` and ``load`` read files, the rest reaches into the interpreter, or lets an array lie."""
TEXTS = re.compile(
    r"(?i)\b(?:(?:ignore|disregard|forget) (?:all |any |the |your )*(?:previous|prior|above|earlier|instructions)"
    r"|(?:dear|to the|attention|note to(?: the)?) (?:grader|ta|teaching assistant|instructor|professor|marker|reviewer|ai)\b"
    r"|full (?:marks|points|credit|score)|(?:language model|system prompt|chatgpt|gpt-\d|claude|copilot|as an ai\b|llms?\b)"
    r"|(?:auto)?graders?\b|results\.json|conftest|site-packages|/proc/|/etc/|/autograder|/grade/)"
)
LARGEST, LONGEST_LINE, MOST, MOST_QUOTED = 200_000, 2_000, 40, 80
"""Characters of a file that is read, and of a line; how many flags a submission gets, and how much of a line is quoted."""


def flags(folder: Path) -> tuple[str, ...]:
    """What stands out in the Python files of a folder, each with its file and line; at most :data:`MOST`, and how many more.

    Never raises for what is in a file: what cannot be read as Python is itself worth a look.
    """
    found: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        marks = dict.fromkeys((line, text) for line, text in _in_file(path))
        found += [f"{shown(name)[1:-1]}, line {line}: {text}" if line else f"{shown(name)[1:-1]}: {text}" for line, text in sorted(marks)]
    return (*found[:MOST], f"and {len(found) - MOST} more") if len(found) > MOST + 1 else tuple(found)


def _in_file(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers, 0 for a whole file, and what stands out there."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if len(text) > LARGEST:
        yield 0, f"{len(text)} characters, looked at no further"
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE:
            yield number, f"a line of {len(line)} characters"
        if match := TEXTS.search(line[:LONGEST_LINE]):
            yield number, f"text {match[0]!r} in {line.strip()[:MOST_QUOTED]!r}"
        if not line.isprintable() and any(not one.isprintable() and one != "\t" for one in line):
            yield number, "characters that cannot be seen"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield getattr(error, "lineno", None) or 0, f"not readable as Python ({type(error).__name__})"
        return
    for node in ast.walk(tree):
        yield from ((node.lineno, said) for said in _of(node))  # type: ignore[attr-defined]


def _of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
        yield f"import from {node.module}"
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield f"name {node.id}"
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield f"attribute {node.attr}"
    elif isinstance(node, ast.FunctionDef) and node.name in NAMES:
        yield f"method {node.name}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES - {"load", "open", "input"}:
        yield f"text {node.value!r}"
