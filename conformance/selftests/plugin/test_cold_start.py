"""Starting cold: the plugin in other people's runs, refusals before anything is collected, and runs that must come out alike."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance import plugin
from conformance.judging.session import Session
from conformance.oracle.environment import how_to_install
from conformance.plugin.collector import Collector
from conformance.plugin.settings import read
from conformance.selftests.builders.place import ABANDON_AFTER, FORWARD, HIDING, RECORDED, ROOT, USAGE_ERROR, Place, checkout, said
from conformance.selftests.test_import_graph import draw

WATCHING = """
import json, os, sys
_seen = {{}}
def _watch(event, arguments):
    if event == "import" and arguments[0] in ("numpy", "keras", "tensorflow") and arguments[0] not in _seen:
        _seen[arguments[0]] = dict(os.environ)
        with open(os.path.join({folder!r}, f"imports-{{os.getpid()}}.json"), "w") as stream:
            json.dump(_seen, stream)
sys.addaudithook(_watch)
"""
"""A `sitecustomize.py`: each process notes the environment at the moment when it first imports one of these."""

REVERSING = """
import json, os, sys
def pytest_collection_modifyitems(items):
    items.reverse()
def pytest_sessionfinish():
    if "keras" in sys.modules:
        keras = sys.modules["keras"]
        settings = [keras.config.floatx(), keras.config.image_data_format(), keras.config.backend()]
        with open(f"keras-{os.getpid()}.json", "w") as stream:
            json.dump(settings, stream)
"""
"""A plugin: reversed order, and what Keras is set to at the end."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# The plugin is registered once


@checkout
@pytest.mark.parametrize("installed", [True, False], ids=["installed", "not_installed"])
def test_bare_pytest_at_the_root_registers_the_plugin_once(place: Place, installed: bool) -> None:
    # Without autoloading no entry point is read, as when the distribution is not installed.
    alone = {} if installed else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = place.pytest("--collect-only", "--trace-config", "--conform-layers=Flatten", cwd=ROOT, **alone)
    assert result.returncode == 0, f"a bare pytest at the root starts: {said(result)[-2000:]}"
    registered = re.findall(r"^ +conformance\.plugin +:", result.stdout, re.M)
    assert len(registered) == 1, f"the plugin is registered once, not {len(registered)} times"
    assert result.stdout.count("\nconformance: reference against live Keras") == 1, "it says once what is judged"


# Other people's tests

PROBE = """
import json, os, sys
def test_probe(pytestconfig):
    chance = ("PYTEST_XDIST_TESTRUNUID", "PYTEST_XDIST_WORKER")  # of the run, and whichever worker was ready first
    found = {"modules": sorted(sys.modules), "environment": {k: v for k, v in os.environ.items() if k not in chance}}
    with open(os.environ["PROBE"], "w") as stream:
        json.dump(found, stream)
"""


def test_nothing_changes_in_an_unrelated_project(place: Place) -> None:
    place.write("test_probe.py", PROBE)
    outputs = []
    for name, switch in (("with", ()), ("without", ("-p", "no:conformance.plugin"))):
        variables: dict[str, Any] = {"PYTEST_XDIST_AUTO_NUM_WORKERS": "3", "PROBE": f"{name}.json"}
        result = place.pytest("-n", "auto", *switch, **variables)
        assert result.returncode == 0, f"a test of someone else passes {name} the plugin: {said(result)[-2000:]}"
        # The line that names every installed plugin is pytest's own; of the rule around the last line the width depends on the time taken.
        outputs.append(re.sub(r"^plugins:.*\n| in [\d.]+s|=", "", result.stdout, flags=re.M))
    assert outputs[0] == outputs[1], "pytest prints the same, header included, whether or not the plugin is there"
    (found,), (alone,) = place.read("with.json"), place.read("without.json")
    changed = {name for name, _ in found["environment"].items() ^ alone["environment"].items()}
    assert changed == {"PROBE"}, f"no environment variable is touched, {changed} are"
    assert found["environment"]["PYTEST_XDIST_WORKER_COUNT"] == "3", "the number of workers of someone else's run is left alone"
    added = set(found["modules"]) - set(alone["modules"])
    assert "conformance.plugin" in added, "the plugin is loaded by its entry point"
    foreign = {name for name in added if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign == {"conformance", "conformance.plugin"}, f"the plugin imports nothing beyond the standard library and pytest: {foreign}"


@pytest.mark.parametrize(
    ("suite", "argument", "collects"),
    [
        ("/project/.venv/lib/python3.11/site-packages/conformance/suite", "/project", False),
        ("/usr/lib/python3/dist-packages/conformance/suite", "/", False),
        ("/project/.tools/conformance/suite", "/project", False),
        ("/project/env/lib/site-packages/conformance/suite", "/project", False),
        ("/project/conformance/suite", "/project", True),
        ("/project/conformance/suite", "/", True),
        ("/project/conformance/suite", "/elsewhere", False),
    ],
)
def test_an_environment_inside_a_project_is_not_the_project(
    monkeypatch: pytest.MonkeyPatch, suite: str, argument: str, collects: bool
) -> None:
    monkeypatch.setattr(plugin, "SUITE", Path(suite))
    assert plugin._descends_to_suite(Path(argument)) is collects, f"pytest {argument} comes to {suite}: {collects}"


# Refusals before collection


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--iut=nowhere.py", "--iut=nowhere.py: there is no file nowhere.py"),
        ("--iut=no_such_module", "--iut=no_such_module: there is no module 'no_such_module'"),
        ("--conform-layers=Flaten", "--conform-layers: 'Flaten' is not a layer that the suite has cases for; did you mean Flatten"),
        ("--conform-seed=-1", "--conform-seed must be a whole number or 'random', got '-1'"),
        ("--conform-profile=quick", "--conform-profile must be one of smoke, standard, full, got 'quick'"),
        ("--conform-oracle=numpy", "--conform-oracle must be one of live, recorded, got 'numpy'"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(place: Place, option: str, sentence: str) -> None:
    result = place.pytest(*FORWARD, "--conform-layers=relu", option, "-x")
    assert result.returncode == USAGE_ERROR, f"{option} ends with exit code {result.returncode}: {said(result)[-2000:]}"
    assert result.stderr.strip().startswith(f"ERROR: {sentence}"), f"the sentence says what is wrong, not {result.stderr!r}"
    assert len(result.stderr.strip().splitlines()) == 1, "it is one sentence, without a traceback"
    assert "collected" not in result.stdout, "nothing has been collected"


NOT_INSTALLED = "--conform-oracle=live needs TensorFlow and Keras: pip install 'keras-conformance[live]'"
BROKEN = "--conform-oracle=live: TensorFlow and Keras are installed and cannot be imported: ImportError: no such library"


@pytest.mark.parametrize("hidden", ["tensorflow", "keras"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_missing_oracle_that_was_asked_for_is_one_sentence_and_exit_4(place: Place, hidden: str, workers: str) -> None:
    place.customize(HIDING.format(hidden={hidden}))
    result = place.pytest("--pyargs", "conformance", "--conform-layers=relu", "-x", "-n", workers, "--conform-oracle=live")
    assert result.returncode == USAGE_ERROR, f"without {hidden} the exit code is 4, not {result.returncode}: {said(result)[-2000:]}"
    assert result.stderr.strip() == f"ERROR: {NOT_INSTALLED}", f"one sentence, not {result.stderr}"
    assert "collected" not in result.stdout, "nothing has been collected"
    assert " skipped" not in result.stdout, "a run without its oracle is never a run of skips"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_oracle_that_is_there_and_broken_is_one_sentence_and_exit_4(place: Place, workers: str) -> None:
    for package in ("tensorflow", "keras"):
        (place.library / f"{package}.py").write_text("raise ImportError('no such library')\n")
    result = place.pytest(*FORWARD, "--conform-layers=relu", "-n", workers)
    assert result.returncode == USAGE_ERROR, f"a broken TensorFlow is not replaced by vectors: {said(result)[-2000:]}"
    assert result.stderr.strip() == f"ERROR: {BROKEN}", f"one sentence, not {result.stderr}"
    assert "passed" not in result.stdout and "failed" not in result.stdout, "nothing has been asked"


# Without TensorFlow, nobody having asked for it

PLANTED = """
import pytest
from conformance.oracle.environment import import_keras
@pytest.fixture
def from_keras():
    return import_keras()
def test_in_a_fixture(from_keras):
    pass
def test_behind_another_exception():
    try:
        import_keras()
    except RuntimeError:
        raise ValueError("no value")
@pytest.mark.live
def test_marked():
    raise AssertionError("this asks Keras elsewhere")
def test_wrong():
    raise AssertionError("this is wrong, with Keras or without")
"""


@pytest.mark.parametrize("hidden", ["tensorflow", "keras"])
def test_where_it_is_not_installed_recorded_vectors_answer(place: Place, hidden: str) -> None:
    place.customize(HIDING.format(hidden={hidden}))
    result = place.pytest(*FORWARD, "--conform-layers=relu", "-k", "integers", "--conform-json=out.json")
    assert result.returncode == 0, f"a bare run judges: {said(result)[-2000:]}"
    why = f"{hidden} is not installed here (for live Keras: pip install 'keras-conformance[live]')"
    header = result.stdout.splitlines()
    assert f"conformance: recorded vectors answer, since {why}" in header, f"and says why: {result.stdout}"
    assert not any("left out" in line for line in header), "where layers are chosen no selftest would be asked at all"
    (facts,) = place.read("out.json")
    assert facts["oracle"] == "recorded", "the results name who answered"
    seldom = place.pytest(*FORWARD, "--conform-layers=relu", "--conform-seed=7")
    assert seldom.returncode == USAGE_ERROR, "what was not recorded is refused"
    assert seldom.stderr.startswith("ERROR: --conform-seed=7 needs TensorFlow and Keras: "), f"by what it needs: {seldom.stderr}"


@checkout
@pytest.mark.parametrize("workers", ["0", "2"])
def test_without_keras_the_selftests_that_ask_it_are_left_out_in_one_line(place: Place, workers: str, tmp_path: Path) -> None:
    """Run in a copy of the packages, in which a selftest is planted."""
    for package in ("conformance", "reference"):
        shutil.copytree(ROOT / package, tmp_path / "copy" / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "copy" / "fixtures").symlink_to(ROOT / "fixtures")
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, tmp_path / "copy" / name)
    planted = Path("conformance") / "selftests" / "base" / "test_planted.py"
    (tmp_path / "copy" / planted).write_text(PLANTED)
    place.customize(HIDING.format(hidden={"tensorflow", "keras"}))
    result = place.pytest(str(planted), "-n", workers, cwd=tmp_path / "copy", PYTHONPATH=f"{place.library}{os.pathsep}{tmp_path / 'copy'}")
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"what is wrong stays wrong: {said(result)[-2000:]}"
    lines = result.stdout.splitlines()
    assert "conformance: selftests that need Keras, or what is installed with it, are left out" in lines, "it is said first"
    skipped = [line for line in lines if line.startswith("SKIPPED")]
    assert skipped == [f"SKIPPED [2] conformance/selftests: {plugin.WITHOUT_KERAS}"], f"one line for all, not {skipped}"
    assert re.search(r"1 failed, 2 skipped\b", result.stdout), f"the marked one is not there at all: {result.stdout[-500:]}"


@pytest.mark.parametrize(("python", "words"), [((3, 13), "pip install"), ((3, 14), "with Python 3.11 to 3.13, pip install")])
def test_what_installs_keras_is_told_by_the_version_of_python(python: tuple[int, int], words: str) -> None:
    assert how_to_install(python) == f"{words} 'keras-conformance[live]'", "there is no TensorFlow for Python 3.14"


# Options


def test_every_option_is_also_an_ini_setting(place: Place) -> None:
    place.write("mine.py", "")
    lines = ["iut = mine.py", "conform_layers = Flatten", "conform_seed = 7", "conform_profile = smoke", "conform_strict = true"]
    place.write("pytest.ini", "\n".join(["[pytest]", *lines, ""]))
    result = place.pytest(*FORWARD, "--collect-only")
    assert "conformance: mine.py against live Keras, profile smoke, seed 7" in result.stdout, f"the settings hold: {said(result)[-2000:]}"
    layers = set(re.findall(r"test_forward\[(\w+)", result.stdout))
    assert layers == {"Flatten"}, f"only the layers of the setting are asked about, not {layers}"
    result = place.pytest(*FORWARD, "--collect-only", "--conform-seed=8")
    assert "seed 8" in result.stdout, "the command line comes before the ini file"


def test_an_option_is_one_line_of_the_table_and_one_field_of_the_settings(pytestconfig: pytest.Config) -> None:
    names = [option.field for option in plugin.OPTIONS]
    fields = set(vars(read(plugin.OPTIONS, lambda option: None))) - {"given", "again", "given_facts"}
    assert set(names) == fields, "every option has its field"
    for option in plugin.OPTIONS:
        assert option.name == "--iut" or option.ini.startswith("conform_"), f"{option.name} carries the prefix"
        pytestconfig.getini(option.ini)


def test_what_is_not_given_is_the_default_and_only_the_rest_is_repeated() -> None:
    usual = read(plugin.OPTIONS, lambda option: None)
    session = Session()
    assert (usual.iut, usual.oracle, usual.seed, usual.profile) == (session.iut, session.oracle_name, session.seed, session.profile), (
        "the defaults of the table are those of a session"
    )
    assert (usual.iut_mode, usual.timeout) == (session.mode, session.timeout), "how functions are called as well"
    assert usual.again == (), "the command for one case repeats no default"
    assert dict(usual.given_facts) == {"iut": "reference", "oracle": "live", "seed": 0, "profile": "standard"}, "the facts of every run"
    given = {"iut": "exec:layers 1.0", "timeout": "20.0", "seed": "7", "profile": "smoke", "layers": "Dense", "iut_mode": "process"}
    other = read(plugin.OPTIONS, lambda option: given.get(option.field))
    repeated = ("--iut=exec:layers 1.0", "--conform-iut-mode=process", "--conform-timeout=20", "--conform-seed=7")
    assert other.again == repeated, "what changes the verdict of a case is repeated, which cases are asked is not"
    assert list(dict(other.given_facts))[4:] == ["iut_mode", "timeout"], "what is unusual is said behind the rest"


def test_the_page_of_options_has_a_row_for_each() -> None:
    text = (Path(plugin.__file__).parents[1] / "docs" / "options.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[^`]+)` \| (.*) \|$", text, re.M)
    plain = [(name.replace("\\|", "|"), re.sub(r" \(\[\w+\]\(#[^)]+\)\)|`", "", meaning)) for name, meaning in rows]
    wanted = [(f"{option.name}={option.metavar}" if option.metavar else option.name, option.help) for option in plugin.OPTIONS]
    assert plain == wanted, "the table says what --help says, links and code marks apart"


def test_a_random_seed_is_one_seed_for_all_workers(place: Place) -> None:
    place.write(
        "test_own.py",
        "import os, pytest\n"
        "@pytest.mark.parametrize('n', range(8))\n"
        "def test_own(n, conform_session):\n"
        "    with open(f\"seed-{os.environ['PYTEST_XDIST_WORKER']}.json\", 'w') as stream:\n"
        "        stream.write(str(conform_session.seed))\n",
    )
    arguments = (*FORWARD, "test_own.py", "-k", "test_own", "--conform-layers=Flatten", "--conform-seed=random", "-n", "2")
    seeds = []
    for _ in range(2):
        result = place.pytest(*arguments)
        assert result.returncode == 0, f"a run with a random seed starts: {said(result)[-2000:]}"
        printed = re.search(r"^conformance: .* seed (\d+)$", result.stdout, re.M)
        assert printed, "the drawn seed is printed, so that the run can be repeated"
        used = place.read("seed-gw*.json")
        assert len(used) == 2, "both workers ran"
        assert set(used) == {int(printed[1])}, f"all workers use the printed seed {printed[1]}, not {used}"
        seeds.append(used[0])
    assert seeds[0] != seeds[1], "a random seed differs from run to run"


# Workers and the environment of Keras


@pytest.mark.parametrize(
    ("cores", "memory", "count"), [(2, 1e12, 2), (64, 1e12, 8), (8, 3.7e9, 3), (8, 1e8, 1), (1, 1e12, 1)], ids=str
)
def test_workers_are_the_least_of_cores_memory_and_eight(cores: int, memory: float, count: int) -> None:
    assert plugin.workers(cores, memory) == count, f"{cores} cores and {memory:.2g} bytes are enough for {count} workers"


MACHINE = """
import os, sys
import conformance.plugin
sys.modules["psutil"] = None  # xdist asks it for cores, where it is installed
conformance.plugin._free_memory = lambda: 2.5e9
os.sched_getaffinity = lambda process: set(range(3))
"""
"""A plugin: three cores, and memory for two workers."""


@pytest.mark.parametrize(("suite", "count"), [(True, "2"), (False, "3")], ids=["suite", "unrelated"])
def test_auto_counts_workers_by_the_rule_in_runs_of_the_suite_alone(place: Place, suite: bool, count: str) -> None:
    place.write("machine.py", MACHINE)
    place.write("test_own.py", f"import os\ndef test_own():\n    assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == {count!r}\n")
    of_suite = (*FORWARD, "--conform-layers=Flatten") if suite else ()
    result = place.pytest(*of_suite, "test_own.py", "-k", "test_own", "-n", "auto", "-p", "machine")
    assert result.returncode == 0, f"-n auto starts {count} workers: {said(result)[-2000:]}"


def test_a_worker_is_asked_layer_by_layer() -> None:
    asked = ["backward.Dense-rows", "backward.relu", "forward.Dense-rows", "forward.LSTM-rows", "forward.relu"]
    named = [one.split(".") for one in asked]
    items: list[Any] = [SimpleNamespace(name=f"test_{kind}[{case}]", path=plugin.SUITE / f"test_{kind}.py") for kind, case in named]
    own = SimpleNamespace(name="test_own[Dense]", path=plugin.SELFTESTS / "test_own.py")
    items.insert(1, own)
    plugin._sort_by_layer(items)
    order = ["backward[Dense-rows]", "forward[Dense-rows]", "backward[relu]", "forward[relu]", "forward[LSTM-rows]", "own[Dense]"]
    assert [item.name.removeprefix("test_") for item in items] == order, "the questions about a layer in a row, others behind them"


def test_one_process_and_two_workers_in_reversed_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same cases three times, where a user has set Keras up differently; Keras itself, slow to import, is asked in one run."""
    places = {}
    runs = {"one": (RECORDED,), "two": (RECORDED, "-n", "2", "-p", "reversing"), "live": ("-n", "1", "-p", "reversing")}
    for name, arguments in runs.items():
        place = places[name] = Place(tmp_path_factory.mktemp(name))
        place.customize(WATCHING.format(folder=str(place.folder)))
        place.write("reversing.py", REVERSING)
        home = place.folder / "home" / ".keras"
        home.mkdir(parents=True)
        settings = {"floatx": "float64", "image_data_format": "channels_first", "backend": "jax", "epsilon": 0.5}
        (home / "keras.json").write_text(json.dumps(settings))
        users = {"CUDA_VISIBLE_DEVICES": "0", "KERAS_BACKEND": "jax", "TF_ENABLE_ONEDNN_OPTS": "0", "KERAS_HOME": str(home)}
        temporary = place.folder / "temporary"
        temporary.mkdir()
        case = ("--conform-layers=Flatten,sigmoid", "--conform-profile=smoke", "-k", "images")
        variables: dict[str, Any] = {**users, "HOME": str(home.parent), "TMPDIR": str(temporary)}
        result = place.pytest(*FORWARD, *case, "--conform-json=out.json", *arguments, **variables)
        place.write("said.txt", said(result))
        assert result.returncode == 0, f"the reference passes: {said(result)[-3000:]}"
    check_that_order_and_workers_do_not_change_a_byte(places)
    check_that_the_results_name_what_was_run(places)
    check_that_keras_is_imported_into_a_prepared_environment(places["live"])
    check_that_keras_does_not_follow_the_settings_of_the_user(places)
    check_that_a_worker_has_one_thread_before_numpy_is_imported(places)
    check_that_the_controller_imports_no_keras(places)


def check_that_order_and_workers_do_not_change_a_byte(runs: Mapping[str, Place]) -> None:
    one, two = ((runs[name].folder / "out.json").read_bytes() for name in ("one", "two"))
    records = json.loads(one)["records"]
    assert {record["layer"] for record in records} == {"Flatten", "sigmoid"}, "the run judged what it was asked for"
    assert any(record["error_over_allowance"] for record in records), "some errors are not 0, so that other arrays would show"
    assert one == two, "two workers in reversed order write the same file as one process"


def check_that_the_results_name_what_was_run(runs: Mapping[str, Place]) -> None:
    (result,) = runs["live"].read("out.json")
    records = result.pop("records")
    assert {name: result[name] for name in ("schema", "iut", "keras", "seed", "profile")} == {
        "schema": 1,
        "iut": "reference",
        "keras": version("keras"),
        "seed": 0,
        "profile": "smoke",
    }, "the file says what was judged, against what, and how"
    counted = sum(result["layers"][layer]["forward"]["passed"] for layer in ("Flatten", "sigmoid"))
    assert counted == len(records) > 0, "the counts are those of the records"
    assert set(records[0]) == {
        "id", "layer", "pass", "status", "options", "error_over_allowance", "keras_error_over_allowance", "message", "level",
    }, "a record has the documented keys"  # fmt: skip


def check_that_keras_is_imported_into_a_prepared_environment(place: Place) -> None:
    seen = [found[package] for found in place.read("imports-*.json") for package in ("keras", "tensorflow") if package in found]
    assert seen, "some process imported Keras"
    for environment in seen:
        fixed = [environment.get(key) for key in ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS")]
        assert fixed == ["-1", "tensorflow", "1"], f"devices, backend and oneDNN are fixed before Keras is imported, not {fixed}"
        assert environment.get("TF_CPP_MIN_LOG_LEVEL"), "TensorFlow's log is quiet"
        home = Path(environment["KERAS_HOME"])
        assert home.is_relative_to(place.folder / "temporary"), f"Keras's home is a temporary folder, not {home}"


def check_that_keras_does_not_follow_the_settings_of_the_user(runs: Mapping[str, Place]) -> None:
    found = runs["live"].read("keras-*.json")
    assert found, "the worker imported Keras"
    assert all(settings == ["float32", "channels_last", "tensorflow"] for settings in found), f"Keras is set to {found}"


def check_that_a_worker_has_one_thread_before_numpy_is_imported(runs: Mapping[str, Place]) -> None:
    processes = [found for found in runs["two"].read("imports-*.json") if "PYTEST_XDIST_WORKER" in found.get("numpy", {})]
    assert len(processes) == 2, "both workers imported NumPy"
    for found in processes:
        threads = {name: found["numpy"].get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        assert set(threads.values()) == {"1"}, f"BLAS reads its number of threads when NumPy is imported: {threads}"
    (alone,) = runs["one"].read("imports-*.json")
    assert "OMP_NUM_THREADS" not in alone["numpy"], "a single process keeps all its threads"


def check_that_the_controller_imports_no_keras(runs: Mapping[str, Place]) -> None:
    processes = [found for found in runs["live"].read("imports-*.json") if "keras" in found]
    assert len(processes) == 1, "only the worker imports Keras, the process that collects its reports does not"
    assert not any("keras" in found for found in runs["two"].read("imports-*.json")), "recorded answers need no Keras"


# Hypothesis


def test_hypothesis_follows_the_suite_wherever_it_runs() -> None:
    from hypothesis import settings

    from conformance.cases import layer_cases
    from conformance.cases.strategies import examples, run_drawn

    def drawn(number: int) -> list[str]:
        names: list[str] = []
        run_drawn(layer_cases("Flatten"), number, "smoke", lambda case: names.append(case.id), "forward", "core")
        return names

    before, current = drawn(1), settings.get_current_profile_name()
    settings.register_profile("of-the-user", max_examples=1, deadline=1, derandomize=True)
    settings.load_profile("of-the-user")
    try:
        after, other = drawn(1), drawn(2)
    finally:
        settings.load_profile(current)
    assert len(before) >= examples(layer_cases("Flatten"), "smoke", "forward", "core"), f"{len(before)} cases were drawn"
    assert after == before, "the same seed draws the same cases under any profile of the user"
    assert other != before, "another seed draws other cases"


# Another implementation


@pytest.mark.parametrize(
    "arguments", [("--pyargs", "conformance"), ("--pyargs", "conformance.selftests.base.test_record")], ids=["all", "named"]
)
def test_another_implementation_never_meets_the_selftests(place: Place, arguments: tuple[str, ...]) -> None:
    place.write("mine.py", "")
    result = place.pytest(*arguments, "--iut=mine.py", "--conform-profile=smoke", "--collect-only", "-q")
    expected = pytest.ExitCode.OK if arguments[-1] == "conformance" else pytest.ExitCode.NO_TESTS_COLLECTED
    assert result.returncode == expected, f"collection goes through: {said(result)[-2000:]}"
    asked = [line for line in result.stdout.splitlines() if "::" in line]
    ours = [line for line in asked if "selftests" in line or "test_record" in line]
    assert not ours, f"tests of this project judge no other implementation: {ours}"
    assert bool(asked) == (arguments[-1] == "conformance"), "the suite itself is collected, and only where it was asked for"


HOSTILE = """
import sys
print("noise at import")

def relu(x):
    print("noise in a call")
    return x * (x > 0)

def sigmoid(x):
    x[...] = 0
    return x

def tanh(x):
    sys.exit(0)

def elu(x):
    return x.tolist()

def softplus(x):
    return x, x

def selu(x):
    raise NotImplementedError("not before the holidays")

def softsign(x):
    raise ValueError("no such thing")
"""
STATUSES = {
    "relu": ("passed", ""),
    "sigmoid": ("failed", "it changes its arguments: the input"),
    "tanh": ("error", "tanh raised SystemExit"),
    "elu": ("failed", "it returns a list where an array is expected"),
    "softplus": ("failed", "tuple"),
    "selu": ("unsupported", "not before the holidays"),
    "softsign": ("error", "softsign raised ValueError: no such thing"),
    "silu": ("unsupported", "has no function silu"),
}


def test_a_hostile_implementation_gets_its_statuses_and_the_run_goes_on(place: Place) -> None:
    place.write("hostile.py", HOSTILE)
    place.write("pytest.ini", "[pytest]\nconform_json = out.json\n")
    arguments = ("--iut=hostile.py", f"--conform-layers={','.join(STATUSES)}", "--conform-profile=smoke", "-k", "images-float32")
    result = place.pytest(*FORWARD, *arguments, RECORDED)
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"the run ends as a run with failures: {said(result)[-3000:]}"
    (results,) = place.read("out.json")
    records = {record["layer"]: record for record in results["records"]}
    for layer, (status, words) in STATUSES.items():
        record = records[layer]
        assert record["status"] == status, f"{layer} is {record['status']}, expected {status}: {record['message']}"
        assert words in record["message"], f"the message of {layer} says why: {record['message']!r}"
    counts = re.search(r"^hostile.py: (.*)$", result.stdout, re.M)
    assert counts, "the summary counts what became of the cases"
    assert "(of 8)" in counts[1], f"the denominator is every case: {counts[1]}"


def test_a_worker_that_dies_ends_readably(place: Place) -> None:
    place.write("deadly.py", "import os\ndef relu(x):\n    os._exit(3)\n")
    place.write(
        "test_own.py",
        "import numpy, pytest\nfrom conformance.cases.questions import Question\n"
        "@pytest.mark.parametrize('name', ['relu', 'tanh', 'elu'])\n"
        "def test_own(conform, name):\n"
        "    assert conform.ask(Question(name, (numpy.ones(3),))).status == 'unsupported'\n",
    )
    arguments = ("test_own.py", "-k", "test_own", "--iut=deadly.py", "--conform-layers=relu", "-n", "2")
    result = place.pytest(*FORWARD, *arguments, "--conform-json=out.json")
    assert result.returncode == int(pytest.ExitCode.TESTS_FAILED), f"the run ends: {said(result)[-3000:]}"
    assert re.search(r"worker 'gw\d' crashed while running '.*test_own\[relu\]'", result.stdout), "it is said which test the worker died in"
    assert re.search(r"1 failed, 2 passed", result.stdout), "the other tests are run all the same"
    assert place.read("out.json"), "the results are written all the same"


def test_a_case_in_which_a_worker_died_is_an_error_on_record(pytestconfig: pytest.Config) -> None:
    collector = Collector(pytestconfig, read(plugin.OPTIONS, lambda option: None), plugin.kept, whole=True)
    place, name = "conformance/suite/test_forward.py", "test_forward[sigmoid-images-float32]"
    message = f"worker 'gw0' crashed while running '{place}::{name}'"
    collector.pytest_runtest_logreport(pytest.TestReport(f"{place}::{name}", (place, None, place), {}, "failed", message, "???"))  # type: ignore[arg-type]
    collector.pytest_runtest_logreport(pytest.TestReport("own.py::test_own", ("own.py", 1, ""), {}, "failed", "", "???"))  # type: ignore[arg-type]
    collector.pytest_runtest_logreport(pytest.TestReport(f"{place}::test_forward[relu-rows]", (place, 1, ""), {}, "failed", "", "setup"))
    ((record,),) = (report.records for report in collector.reports)
    found = (record.id, record.layer, record.kind, record.status, record.level)
    assert found == (name, "sigmoid", "forward", "error", "core"), f"the case is counted, as an error of its layer: {found}"
    of_the_edge = pytest.TestReport(f"{place}::test_forward[sigmoid-values=nan-rows-float64]", (place, 1, ""), {}, "failed", "", "???")  # type: ignore[arg-type]
    collector.pytest_runtest_logreport(of_the_edge)
    assert [one.level for one in collector.reports[0].records] == ["core", "edge"], "and its level is found by its name"
    assert "crashed" in record.message, f"the message says what happened: {record.message}"


def test_looking_at_the_tests_writes_no_results(place: Place) -> None:
    place.write("out.json", "kept")
    result = place.pytest(*FORWARD, "--conform-layers=Flatten", "--collect-only", "--conform-json=out.json")
    assert result.returncode == 0, f"the tests are listed: {said(result)[-2000:]}"
    assert (place.folder / "out.json").read_text() == "kept", "the results of an earlier run are not overwritten by a listing"


# The package


def test_the_reference_loads_no_framework(place: Place) -> None:
    program = "import sys; import reference; print(*sorted(sys.modules))"
    loaded = {name.partition(".")[0] for name in place.python("-c", program).stdout.split()}
    assert "numpy" in loaded, "the reference was imported"
    unwanted = loaded & {"keras", "tensorflow", "conformance", "pytest", "hypothesis", "sklearn", "scipy", "h5py", "threadpoolctl"}
    assert not unwanted, f"`import reference` loads {unwanted}"
    whole = place.python("-c", "from reference import *; print(load_model.__name__, dense_forward.__name__)").stdout
    assert whole == "load_model dense_forward\n", f"models come in when they are asked for: {whole!r}"


def test_the_reference_works_without_the_oracle(place: Place) -> None:
    place.customize(HIDING.format(hidden={"keras", "tensorflow", "sklearn", "hypothesis", "pooch"}))
    program = "import numpy, reference; print(reference.dense_forward(numpy.ones((1, 2)), numpy.ones((2, 1))))"
    result = place.python("-c", program)
    assert result.stdout.strip() == "[[2.]]", f"the reference needs NumPy alone: {said(result)[-2000:]}"


def test_the_command_explains_itself_without_the_oracle(place: Place) -> None:
    place.customize(HIDING.format(hidden={"keras", "tensorflow", "sklearn", "hypothesis", "pooch", "tqdm", "tabulate", "xdist"}))
    result = place.python("-c", "import sys; from conformance.cli import main; sys.argv = ['conform', '--help']; main()")
    assert result.returncode == 0, f"`conform --help` needs none of what the oracle needs: {said(result)[-2000:]}"
    assert "report" in result.stdout, f"it lists the commands: {result.stdout}"


def project() -> Mapping[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@checkout
def test_every_package_is_listed_that_works_installed() -> None:
    listed = set(project()["tool"]["setuptools"]["packages"])
    folders = {path.parent for top in ("reference", "conformance") for path in (ROOT / top).rglob("*.py")}
    there = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    left_out = ("conformance.selftests.", "conformance.studies.", "conformance.cli.studies.")
    there = {name for name in there if not f"{name}.".startswith(left_out)}
    there |= {f"conformance._{fixtures}" for fixtures in ("rubrics", "samples", "submissions", "vectors")}
    assert listed == there, f"pyproject.toml lists {listed - there} that is not there, and does not list {there - listed}"


def names(requirements: Iterable[str]) -> set[str]:
    """The packages that requirements name, without this one, whose extras they may take along."""
    return {re.split(r"[<>=~! ;\[]", requirement)[0] for requirement in requirements} - {"keras-conformance"}


@checkout
def test_what_an_installation_brings() -> None:
    facts = project()["project"]
    assert facts["requires-python"] == ">=3.11,<3.15", "the supported versions of Python"
    brought, live = names(facts["dependencies"]), facts["optional-dependencies"]["live"]
    needed = {"numpy", "h5py", "pytest", "pytest-xdist", "hypothesis", "scikit-learn", "tabulate", "safetensors", "typer"}
    assert needed <= brought, f"a bare `pytest -n auto` by recorded vectors also needs {needed - brought}"
    heavy = {"tensorflow", "keras", "matplotlib", "pooch", "requests", "scipy"}
    assert names(live) == heavy and not heavy & brought, "what asks Keras, trains and reports comes with the extra `live`"
    for requirement in live:
        wheels = requirement.endswith("; python_version < '3.14'")
        assert wheels == requirement.startswith(("tensorflow", "keras")), f"there is no TensorFlow for Python 3.14: {requirement}"
    assert "keras-conformance[live,dask]" in facts["optional-dependencies"]["dev"], "`make test` asks live Keras"
    assert facts["entry-points"]["pytest11"] == {"conformance.plugin": "conformance.plugin"}, "the entry point has the name of the module"
    data = project()["tool"]["setuptools"]["package-data"]
    for package in ("reference", "conformance"):
        assert "py.typed" in data[package], f"{package} says that it is typed, installed, too"
        assert (ROOT / package / "py.typed").is_file(), f"{package}/py.typed is there"


@checkout
def test_what_is_imported_is_required() -> None:
    """Every foreign package that an installed module imports comes with the installation, or with Keras."""
    required = {name.replace("-", "_") for name in names(project()["project"]["dependencies"])} | {"sklearn", "xdist", "_pytest"}
    left_out = ("conformance.selftests.", "conformance.studies.", "conformance.cli.studies.")
    arrows = [arrow for arrow in draw(ROOT).arrows if not f"{arrow.source}.".startswith(left_out)]
    for arrow in arrows:
        package = arrow.target.partition(".")[0]
        if (arrow.source, package) == ("conformance.grading.formats.figure", "matplotlib"):
            continue  # which says where there is none, and draws nothing
        ours = package in sys.stdlib_module_names or package in ("conformance", "reference", "keras", "tensorflow")
        assert ours or package in required, f"{arrow} is a package that the installation does not bring"


@checkout
def test_every_requirement_is_pinned() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    odd = [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)]
    assert not odd, f"a constraint is a name and one version: {odd}"
    pinned = {line.partition("==")[0] for line in lines}
    facts = project()["project"]
    wanted = names([*facts["dependencies"], *(one for extra in facts["optional-dependencies"].values() for one in extra)])
    assert wanted <= pinned, f"constraints.txt does not pin {wanted - pinned}"


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # `make test` runs these tests: what it hands on to a make inside it changes what that one prints.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=ABANDON_AFTER)


@checkout
@needs_make
@pytest.mark.parametrize("found", ["2.7.18", "3.10.13", "3.14.0"])
def test_make_refuses_a_python_that_does_not_do(makefile: Path, found: str) -> None:
    python = makefile / "python"
    kind = tuple(map(int, found.split(".")))
    # Runs the check of the Makefile as if it were another version.
    pretend = f"import sys; sys.version_info = {kind!r}; exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nif [ "$1" = -V ]; then echo "Python {found}"; else exec "{sys.executable}" -c "{pretend}" "$2"; fi\n')
    python.chmod(0o755)
    result = make(makefile, "test", f"PYTHON={python}")
    assert result.returncode != 0, f"make refuses Python {found}"
    sentence = result.stderr.splitlines()[0]
    needs = "make needs Python 3.11, 3.12 or 3.13, for which there is a TensorFlow, and "
    assert sentence.startswith(needs), f"make says what it needs, and why: {result.stderr}"
    assert f" is {found}: " in sentence, f"make says what there is: {sentence}"
    assert sentence.endswith("without TensorFlow 'pip install -e .' and 'pytest -n auto' do"), "and what does there"
    assert not (makefile / ".venv").exists(), "nothing has been made"


@checkout
@needs_make
def test_make_installs_only_when_something_changed(makefile: Path) -> None:
    (makefile / ".venv").mkdir()
    stamp = makefile / ".venv" / ".installed"
    stamp.touch()
    planned = make(makefile, "--dry-run", "test", "PYTEST_ARGS=-k lstm").stdout
    assert planned.strip() == ".venv/bin/python -m pytest -n auto -k lstm", f"with an environment, make test runs pytest alone: {planned}"
    os.utime(stamp, (0, 0))
    planned = make(makefile, "--dry-run", "test").stdout
    assert "-c constraints.txt" in planned, "changed requirements are installed first"
