"""Imports only go down the stairs: the graph of both packages, drawn from their sources, has no circle and no arrow that climbs."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator, Mapping
from importlib.util import resolve_name
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("reference", "conformance")
STAIRS = (
    {"reference"},
    {"conformance"},
    {"base"},
    {"cases"},
    {"implementations", "oracle"},
    {"judging"},
    {"recording"},
    {"properties"},
    {"checks"},
    {"faults"},
    {"models"},
    {"reporting"},
    {"studies"},
    {"suite"},
    {"grading"},
    {"plugin", "cli"},
    {"__main__"},
    {"selftests"},
)
"""The rooms of the house from the bottom: what stands on a step imports from the steps below it, never from another room of its own.

``conformance`` is the package's own file, which holds the version; what it exports to users it imports in a function, lazily.
"""
FRONT = "conformance"
BY_STRING = ("import_module", "__import__")
KERAS = ("keras", "tensorflow")
KERAS_ROOMS = tuple(
    f"conformance.{room}" for room in ("oracle.live", "oracle.deviations", "oracle.environment", "studies.experiments", "selftests")
)


class Arrow(NamedTuple):
    """One import: from which module, of which module or foreign package, and where it stands."""

    source: str
    target: str
    place: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.source} -> {self.target}"


class Drawing(NamedTuple):
    """The modules of a house, all their imports, and in words those by a string."""

    modules: Mapping[str, Path]
    arrows: list[Arrow]
    hidden: list[str]


def draw(root: Path) -> Drawing:
    """Read every source of both packages."""
    paths = [path.relative_to(root) for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    modules = {".".join(path.parent.parts if path.stem == "__init__" else path.with_suffix("").parts): path for path in paths}
    drawing = Drawing(modules, [], [])
    for source, path in modules.items():
        text = (root / path).read_text(encoding="utf-8")
        tree = ast.parse(text)
        package = source if path.stem == "__init__" else source.rpartition(".")[0]
        for statement, lazy in statements(tree):
            targets = (target for target in imported(statement, package, modules) if target != source)
            drawing.arrows.extend(Arrow(source, target, f"{path.as_posix()}:{statement.lineno}", lazy) for target in targets)
        if any(name in text for name in BY_STRING) and room(source) != "selftests":
            drawing.hidden.extend(f"{path.as_posix()}:{call.lineno}: {ast.unparse(call)}" for call in by_string(tree))
    return drawing


def statements(tree: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement, and whether it stands in a function; what stands under TYPE_CHECKING is for mypy alone."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from statements(ast.Module(child.orelse, []), lazy)
        elif not isinstance(child, ast.expr):
            if isinstance(child, ast.stmt):
                yield child, lazy
            yield from statements(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def imported(statement: ast.stmt, package: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """What a statement imports: modules of ours as far as the name reaches, foreign ones by their package."""
    names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import | ast.ImportFrom) else []
    if isinstance(statement, ast.ImportFrom):
        origin = resolve_name("." * statement.level + (statement.module or ""), package) if statement.level else statement.module
        names = [f"{origin}.{name}" for name in names]
    for name in names:
        while name not in modules and "." in name:
            name = name.rpartition(".")[0]
        yield name


def by_string(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that import a module of ours by its name, or by a pattern that begins like it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_STRING:
            texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
            if any(text.split(".")[0] in PACKAGES for text in texts):
                yield node


def room(module: str) -> str:
    """The room of a module; the whole of ``reference`` is one."""
    parts = module.split(".")
    return parts[1] if parts[0] == FRONT and len(parts) > 1 else parts[0]


def step(module: str) -> int:
    """The number of the step of a module, from the bottom; -1 for one whose room stands on none."""
    return next((number for number, rooms in enumerate(STAIRS) if room(module) in rooms), -1)


def unknown_rooms(drawing: Drawing) -> list[str]:
    """Modules whose room no step has."""
    return [f"{path.as_posix()}: {name} is in no room of STAIRS" for name, path in drawing.modules.items() if step(name) < 0]


def climbing(drawing: Drawing) -> list[str]:
    """Arrows that do not lead down."""
    between = [one for one in drawing.arrows if one.target in drawing.modules and room(one.source) != room(one.target)]
    return [f"{one} climbs" for one in between if step(one.source) <= step(one.target) and not (one.source == FRONT and one.lazy)]


def circles(drawing: Drawing) -> list[str]:
    """A circle of modules, where there is one, and where its arrows stand."""
    places: dict[str, dict[str, str]] = {name: {} for name in drawing.modules}
    for one in drawing.arrows:
        if one.target in places and not (one.source == FRONT and one.lazy):
            places[one.source][one.target] = str(one)
    try:
        graphlib.TopologicalSorter(places).prepare()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))
        return ["a circle:", *(places[one][other] for one, other in pairwise(circle))]
    return []


def hidden(drawing: Drawing) -> list[str]:
    """Imports of our own modules by a string."""
    return [f"{one} hides an import in a string" for one in drawing.hidden]


def foreign(drawing: Drawing) -> list[str]:
    """Imports of Keras where nobody asks it."""
    asking = [one for one in drawing.arrows if one.target.split(".")[0] in KERAS]
    strangers = [one for one in asking if not any(f"{one.source}.".startswith(f"{place}.") for place in KERAS_ROOMS)]
    return [f"{one}: only {', '.join(KERAS_ROOMS)} import Keras" for one in strangers]


RULES = {rule.__name__: rule for rule in (unknown_rooms, climbing, circles, hidden, foreign)}


@pytest.fixture(scope="module")
def drawn():
    return draw(ROOT)


@pytest.mark.parametrize("rule", RULES)
def test_imports_go_down_the_stairs(rule, drawn):
    found = RULES[rule](drawn)
    assert not found, "\n".join(found)


PLANTED = {
    "a room that nobody declared": ("unknown_rooms", "conformance/attic/box.py", "", "conformance/attic/box.py: conformance.attic.box "),
    "reference imports conformance": ("climbing", "reference/dense.py", "import conformance.base.call", "reference/dense.py:1: "),
    "up, in a function": (
        "climbing",
        "conformance/judging/judge.py",
        "def f():\n    from conformance.faults import fault",
        "conformance/judging/judge.py:2: conformance.judging.judge -> conformance.faults.fault climbs",
    ),
    "to the other room of a step": ("climbing", "conformance/oracle/live.py", "from conformance.implementations import x", " climbs"),
    "relative": ("climbing", "conformance/base/call.py", "from ..cases import case", "conformance.base.call -> conformance.cases.case "),
    "where mypy does not look": ("climbing", "conformance/base/call.py", "if TYPE_CHECKING: pass\nelse: import conformance.cases", ":2: "),
    "a circle": (
        "circles",
        "conformance/cases/case.py",
        "def f(): import conformance.cases",
        "conformance/cases/case.py:1: conformance.cases.case -> conformance.cases",
    ),
    "a module by its name": ("hidden", "reference/dense.py", "m.import_module('reference.models')", "reference/dense.py:1: "),
    "a module by a pattern": ("hidden", "reference/dense.py", "__import__(f'conformance.{name}')", " hides an import in a string"),
    "Keras in a function": ("foreign", "conformance/judging/judge.py", "def f(): import keras.ops", "conformance.judging.judge -> keras"),
}


@pytest.mark.parametrize("plant", PLANTED)
def test_what_breaks_a_rule_is_told(plant, tmp_path):
    rule, path, text, said = PLANTED[plant]
    build(tmp_path, "conformance/__init__.py", "")
    build(tmp_path, "conformance/cases/__init__.py", "from conformance.cases.case import Case")
    for empty in ("cases/case", "faults/fault", "implementations/__init__"):
        build(tmp_path, f"conformance/{empty}.py", "")
    assert not RULES[rule](draw(tmp_path)), "the house is in order before anything is planted"
    build(tmp_path, path, text)
    found = "\n".join(RULES[rule](draw(tmp_path)))
    assert said in found, f"{rule} says of it: {found or 'nothing'}"


def test_what_is_allowed_is_not_told(tmp_path):
    build(tmp_path, "conformance/__init__.py", "def check(): from conformance.cli import check")
    build(tmp_path, "conformance/cli/check.py", "from conformance import __version__\nfrom conformance.oracle.live import ask")
    build(tmp_path, "conformance/oracle/live/ask.py", "import keras\nif TYPE_CHECKING:\n    from conformance.cli import check")
    build(tmp_path, "conformance/cases/case.py", "importlib.import_module(target)\nimport numpy, reference.dense")
    drawing = draw(tmp_path)
    assert not [said for rule in RULES.values() for said in rule(drawing)], "the lazy front, mypy's imports, a user's module by its name"


def build(root: Path, path: str, text: str) -> None:
    """Write one module of a house."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")
