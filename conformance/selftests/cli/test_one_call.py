"""``conformance.check``: one call, from any kind of implementation to a report that can be asked."""

import re
import sys
import types

import pytest

import conformance
from conformance.base.errors import UnimportableError
from conformance.selftests.builders.place import HIDING, Place, said
from conformance.selftests.cli.test_check import ABSENT, RIGHT, WRONG


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.write("my_layers.py", WRONG)
    return place


def functions():
    space = {}
    exec(WRONG, space)
    return space


@pytest.fixture(scope="module")
def report():
    return conformance.check(functions(), layers=["Dense", "Flatten", "LSTM"])


def test_a_report_answers_what_was_found(report):
    assert not report.ok, "a dense layer without its bias is wrong"
    dense, flatten = report.by_layer().values()
    assert flatten.ok and flatten.score() == 1.0 and flatten.passed == len(flatten.records), "the other layer is right in every case"
    assert {record.layer for record in report.failed()} == {"Dense"}, "failures are those of the wrong layer"
    assert dense.counts["unsupported"] > 300 and dense.counts["passed"] > 10, "every status is counted"
    assert report.score({"Dense": 1, "Flatten": 2, "LSTM": 1}) == pytest.approx((dense.score() + 2) / 4), "points go by a layer's share"
    assert report.absent == ["LSTM"], "what is not there is named"


def test_print_reads_like_the_command(place, report):
    result = place.python("-m", "conformance", "check", "my_layers.py", "--layers", "Dense,Flatten,LSTM")
    assert result.returncode == 1, f"`python -m conformance` is the command: {said(result)}"
    command, call = r"conform check my_layers\.py --layers (\w+) --case (\S+)", r"conformance.check(dict, layers=['\1'], case='\2')"
    told = re.sub(command, call, result.stdout).replace("my_layers.py", "dict")
    plain = [re.sub(r"in [\d.]+ s", "", text).strip() for text in (told, str(report))]
    assert plain[0] == plain[1], "the command prints the report"


def test_functions_are_taken_from_whatever_has_them(place, monkeypatch):
    module = types.ModuleType("my_layers")
    exec(WRONG, vars(module))
    monkeypatch.chdir(place.folder)
    monkeypatch.syspath_prepend(place.folder)
    things = [module, "my_layers", "my_layers.py", place.folder / "my_layers.py", functions(), types.SimpleNamespace(**functions())]
    found = [conformance.check(thing, layers="Dense", case="Dense-units=6-features-float64") for thing in things]
    assert [len(one.failed()) for one in found] == [1] * len(things), "a module, a name, paths, a mapping and an object are judged alike"
    messages = {one.failed()[0].message for one in found}
    assert messages == {"all 18 values are off"}, f"for the same reason: {messages}"


@pytest.mark.parametrize(
    ("what", "arguments", "error", "sentence"),
    [
        ({}, {"layers": ["Flaten"]}, ValueError, "'Flaten' is not a layer that the suite has cases for; did you mean Flatten"),
        ({"dense_foward": len}, {}, ValueError, r"dict has no function .*\ndense_foward is not asked: did you mean dense_forward\?"),
        ({"relu": len}, {"case": "nothing"}, ValueError, "no case of relu has the id nothing"),
        ("nowhere.py", {}, UnimportableError, "there is no file nowhere.py"),
        ("no_such_module", {}, UnimportableError, "there is no module 'no_such_module'"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_error(what, arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        conformance.check(what, **arguments)


def test_a_file_with_a_mistake_in_it_is_one_clear_error(place):
    place.write("my_layers.py", "def dense_forward(x, kernel bias): pass")
    with pytest.raises(UnimportableError, match="cannot be imported: SyntaxError"):
        conformance.check(place.folder / "my_layers.py")


def test_a_call_needs_numpy_and_safetensors_alone(place):
    place.write("my_layers.py", RIGHT)
    place.customize(HIDING.format(hidden=ABSENT))
    program = "import conformance, my_layers; report = conformance.check(my_layers, ['Flatten']); print(report, report.ok)"
    result = place.python("-c", program)
    assert result.stdout.rstrip().endswith(" cases) is right. True"), f"pytest and all else is missing: {said(result)[-2000:]}"


def test_importing_the_package_imports_nothing_else(place):
    result = place.python("-c", "import sys; before = set(sys.modules); import conformance; print(*sorted(set(sys.modules) - before))")
    foreign = {name for name in result.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign == {"conformance"}, f"both doors are opened when somebody comes: {foreign}"
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        conformance.chek  # noqa: B018
