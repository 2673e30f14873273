"""The pytest plugin: options, selection, and the collector that turns reports into records.

It is loaded in every pytest run of an environment that has this distribution, so at start it imports only pytest and the standard
library and changes nothing unless the conformance suite itself is collected.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from conformance.judging.session import CaseRunner, Session
    from conformance.plugin.collector import Collector
    from conformance.plugin.settings import Settings

PACKAGE = Path(__file__).resolve().parents[1]
SUITE = PACKAGE / "suite"
SELFTESTS = PACKAGE / "selftests"
BYTES_PER_WORKER = 1.2e9
MOST_WORKERS = 8
RECORD, REFUSED = "conform_record", "conform_refused"
COLLECTOR = "conform_collector"
LIVE, LIVE_HELP = "live", "a selftest that asks Keras in another process, or needs what else the extra `live` installs"
WITHOUT_KERAS = "these selftests ask Keras, which is not installed here"
EDGE, EDGE_HELP = "edge", 'a question about an unusual input, see conformance/docs/levels.md; -m "not edge" asks the core alone'


class Option(NamedTuple):
    """An option of the command line, which is also an ini setting and a field of :class:`conformance.plugin.settings.Settings`.

    Attributes
    ----------
    name, metavar, help : str
        As ``pytest --help`` and the table in ``docs/options.md`` show them. A switch has no metavar.
    default : str
    again : bool
        Whether the command that runs a failing case alone repeats it, where it is not the default.
    fact : str
        Whether the JSON says it: "always", "unusual" (where it is not the default), or never.
    file : str or None
        Of a file that an ini file names, relative to itself: how its name ends.
    """

    name: str
    metavar: str
    help: str
    default: str = ""
    again: bool = False
    fact: str = ""
    file: str | None = None

    @property
    def ini(self) -> str:
        """The name in an ini file, and in pytest's own record of its options."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def field(self) -> str:
        """The name among the settings."""
        return self.ini.removeprefix("conform_")


MODE_HELP = "inprocess (default); process: Python code apart, free to crash; sandbox: where it can only compute"
TIMEOUT_HELP = "what a call may take in a process of its own or a program (default: 60), or compute in the sandbox (default: 2)"
ORACLE_HELP = "live (Keras itself, default where it is installed), or recorded (vectors of Keras; no TensorFlow)"
ALWAYS, UNUSUAL = "always", "unusual"
OPTIONS = (
    Option("--iut", "MODULE|FILE.py[:ATTR]|exec:COMMAND", "what is judged (default: reference)", "reference", True, ALWAYS, ".py"),
    Option("--conform-iut-mode", "MODE", MODE_HELP, "inprocess", True, UNUSUAL),
    Option("--conform-timeout", "SECONDS", TIMEOUT_HELP, "", True, UNUSUAL),
    Option("--conform-oracle", "NAME", ORACLE_HELP, "", True, ALWAYS),
    Option("--conform-layers", "NAMES", "only these layers, by Keras class name, comma-separated: Dense,LSTM"),
    Option("--conform-seed", "INT", "seed of all arrays, or random, which draws one and prints it (default: 0)", "0", True, ALWAYS),
    Option("--conform-profile", "NAME", "smoke (every option alone), standard (pairs, default) or full (triples)", "standard", fact=ALWAYS),
    Option("--conform-json", "FILE", "write counts and records of every case as JSON"),
    Option("--conform-markdown", "FILE", "write the table of layers as Markdown"),
    Option("--conform-xfail", "FILE", "known failures, a line each: test id or pattern, # and the reason", file=""),
    Option("--conform-data", "DIR", "folder that holds the data sets (default: $CONFORM_DATA, else download)"),
    Option("--conform-require-data", "", "fail, instead of skip, what needs a data set that is not there"),
    Option("--conform-strict", "", "fail float64 only accurate to float32, and answers of another float type (always for the reference)"),
)
SEED = next(option for option in OPTIONS if option.field == "seed")
SETTINGS = pytest.StashKey["Settings"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Every option also works as an ini setting of the same name with underscores."""
    group = parser.getgroup("conform", "conformance suite for Keras layers")
    for option in OPTIONS:
        switch: Any = ({"action": "store_true", "default": None}, {"type": "bool"})
        form, ini = ({"metavar": option.metavar}, {}) if option.metavar else switch
        group.addoption(option.name, help=option.help, **form)
        parser.addini(option.ini, option.help, **ini)


def settings_of(config: pytest.Config) -> Settings:
    """The settings of this run; a usage error names what an option cannot be."""
    if SETTINGS not in config.stash:
        if importlib.util.find_spec("numpy") is None:
            raise pytest.UsageError("The conformance suite needs NumPy, and numpy is not installed here (`pip install numpy`).")
        from conformance.plugin.settings import read

        try:
            config.stash[SETTINGS] = read(OPTIONS, functools.partial(_given, config))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[SETTINGS]


def _given(config: pytest.Config, option: Option) -> Any:
    """What is given for an option: on the command line, or in an ini file, beside which a file lies that is named there."""
    value = config.getoption(option.ini)
    if value is not None:
        return value
    value = config.getini(option.ini)
    beside = config.inipath.parent / value if config.inipath and value and option.file is not None else None
    return os.path.relpath(beside) if beside and beside.is_file() and value.endswith(option.file) else value


def pytest_configure(config: pytest.Config) -> None:
    """Refuse, before anything is collected, what cannot be run: a wrong option, a missing implementation, a missing oracle."""
    config.addinivalue_line("markers", f"{EDGE}: {EDGE_HELP}")
    config.addinivalue_line("markers", f"{LIVE}: {LIVE_HELP}")
    worker = getattr(config, "workerinput", None)
    if not _collects_suite(config):
        if worker is None:
            if any(_given(config, option) for option in OPTIONS if option.field in ("json", "markdown")):
                settings_of(config)  # a file that cannot be written is refused now, not when all is done
            config.pluginmanager.register(FirstRecord(config))
        return
    if worker is not None:
        # Before anything imports NumPy.
        from conformance.oracle.environment import single_thread

        single_thread()
        config.option.conform_seed = worker["conform_seed"]
    if _given(config, SEED) == "random":
        config.option.conform_seed = str(random.SystemRandom().randrange(2**31))
    refusal = settings_of(config).refusal()
    if not refusal and worker is None:
        refusal = settings_of(config).import_refusal(apart=config.getoption("dist", "no") != "no")
    if refusal:
        raise pytest.UsageError(refusal)
    if worker is None:
        _collector(config)


def _collector(config: pytest.Config) -> Collector:
    """Register what gathers the records of a run."""
    from conformance.plugin.collector import Collector

    whole = any(_holds_suite(config, str(argument)) for argument in config.args)
    collector = Collector(config, settings_of(config), kept, whole, functools.partial(_is_of_suite, config))
    config.pluginmanager.register(collector, COLLECTOR)
    return collector


class FirstRecord:
    """Brings the collector in with the first record: only a test file of a user's own has any in a run without the suite."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hand on the report that brings the first record; those after it reach the collector by themselves."""
        if kept(report) and not self.config.pluginmanager.has_plugin(COLLECTOR):
            _collector(self.config).pytest_runtest_logreport(report)


def keep(item: pytest.Item, facts: dict[str, Any], record: dict[str, Any]) -> None:
    """Attach a record to its test, whose report carries it, from workers as well; with facts of its run, if that is not the suite's."""
    item.user_properties.append((RECORD, [facts, record]))


def kept(report: pytest.TestReport) -> list[Any]:
    """The records that a report carries, each with its facts."""
    return [value for name, value in report.user_properties if name == RECORD]


def _is_of_suite(config: pytest.Config, report: pytest.TestReport) -> bool:
    """Whether a report is of a test of the suite."""
    return (config.rootpath / report.location[0]).resolve().parent == SUITE


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give each worker the seed: it reads the command line again, and would draw a random one of its own."""
    node.workerinput["conform_seed"] = _given(node.config, SEED)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of the suite is asked every question of its kind about the chosen layers."""
    if SUITE in metafunc.definition.path.parents and "question" in metafunc.fixturenames:
        from conformance.suite import KINDS

        chosen = settings_of(metafunc.config)
        kind = KINDS[metafunc.function.__name__.removeprefix("test_")]
        asked = list(kind.cases(chosen.asked, chosen.profile))
        metafunc.parametrize("question", [_asked(kind, question) for _, question in asked], ids=[identifier for identifier, _ in asked])


def _asked(kind: Any, question: tuple[Any, ...]) -> Any:
    """A question as a parameter of its test, marked where it is of the edge."""
    return pytest.param(question, marks=[pytest.mark.edge] if kind.level_of(*question) == EDGE else [])


def pytest_itemcollected(item: pytest.Item) -> None:
    """A case in a test file of a user's own is marked by its level as well."""
    own_tests = sys.modules.get("conformance.plugin.own_tests")
    if own_tests is not None and EDGE in own_tests.levels(item):
        item.add_marker(EDGE)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A case in a test file of a user's own learns where it is asked; in a run without any, nothing is loaded for that."""
    own_tests = sys.modules.get("conformance.plugin.own_tests")
    if own_tests is not None:
        own_tests.enter(item)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run in which a test file of a user's own could not be asked for want of an implementation ends as one with a wrong ``--iut``."""
    own_tests = sys.modules.get("conformance.plugin.own_tests")
    if own_tests is not None and own_tests.unimportable:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def _collects_suite(config: pytest.Config) -> bool:
    """Whether any argument of this run names, holds or lies inside the suite."""
    for argument in config.args:
        name = str(argument).split("::")[0]
        if config.getoption("pyargs") and (name == "conformance" or name.startswith("conformance.")):
            return True
        path = (config.invocation_params.dir / name).resolve()
        if path == PACKAGE or _descends_to_suite(path) or SUITE in (path, *path.parents) or SELFTESTS in (path, *path.parents):
            return True
    return False


def _descends_to_suite(folder: Path) -> bool:
    """Whether pytest, given this folder, would come to the suite: not where an environment that has it installed lies inside."""
    if folder not in SUITE.parents:
        return False
    return not any(part in ("site-packages", "dist-packages") or part.startswith(".") for part in SUITE.relative_to(folder).parts)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What is judged, against what, and with which seed."""
    return settings_of(config).header if _collects_suite(config) else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Import live Keras before the first question: where it is installed and cannot be imported, the run ends as one without it."""
    config = session.config
    if config.option.collectonly or not any(SUITE in item.path.parents for item in session.items):
        return
    refusal = settings_of(config).import_oracle()
    if refusal and hasattr(config, "workeroutput"):
        config.workeroutput[REFUSED] = refusal
        pytest.exit(refusal, returncode=pytest.ExitCode.USAGE_ERROR)
    if refusal:
        raise pytest.UsageError(refusal)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """End the run where a worker could not import Keras."""
    refusal = getattr(node, "workeroutput", {}).get(REFUSED)
    if refusal:
        raise pytest.UsageError(refusal)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One worker a core, as far as memory goes: TensorFlow takes more than half a gigabyte in each."""
    if not _collects_suite(config) or "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return workers(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, _free_memory())


def workers(cores: int, memory: float) -> int:
    """The least of cores, available memory by 1.2 GB, and 8; at least 1."""
    return max(1, min(cores, int(memory / BYTES_PER_WORKER), MOST_WORKERS))


def _free_memory() -> float:
    """Bytes that can be used, as far as the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return MOST_WORKERS * BYTES_PER_WORKER


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The selftests judge this project, not an implementation: with another one, or chosen layers, they stay out."""
    return True if SELFTESTS in (collection_path, *collection_path.parents) and settings_of(config).judges_only else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out selftests that were named on the command line, too, those that need Keras where it is not, and tests without a case.

    A worker is asked layer by layer.
    """
    out = [item for item in items if (SELFTESTS in item.path.parents and _stays_out(item, settings_of(config))) or _is_empty(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        left_out = set(out)
        items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        _sort_by_layer(items)


def _sort_by_layer(items: list[pytest.Item]) -> None:
    """All questions about a layer in a row, as they are handed out: a worker then builds each layer of Keras once for most of them."""
    layers = {id(item): item.name.partition("[")[2].rstrip("]").partition("-")[0] for item in items if SUITE in item.path.parents}
    places = {layer: place for place, layer in enumerate(dict.fromkeys(layers.values()))}
    items.sort(key=lambda item: places[layers[id(item)]] if id(item) in layers else len(places))


def _stays_out(item: pytest.Item, chosen: Settings) -> bool:
    """Whether a selftest is left out: another implementation is judged, or it is marked to need Keras, which is not installed."""
    return chosen.judges_only or (chosen.falls_back and item.get_closest_marker(LIVE) is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A selftest that comes to ask Keras where that is not installed is left out: one line of the summary for all of them."""
    report = yield
    if call.excinfo and SELFTESTS in item.path.parents and settings_of(item.config).falls_back and _for_want_of_keras(call.excinfo.value):
        report.outcome, report.longrepr = "skipped", (str(SELFTESTS), None, WITHOUT_KERAS)  # type: ignore[assignment]
    return report


def _for_want_of_keras(error: BaseException | None) -> bool:
    """Whether an exception follows from one that says that Keras cannot be had."""
    from conformance.oracle.environment import NoKerasError

    return error is not None and (isinstance(error, NoKerasError) or _for_want_of_keras(error.__cause__ or error.__context__))


def _is_empty(item: pytest.Item) -> bool:
    """Whether pytest made the item for a test of the suite that has no case among the chosen layers."""
    return SUITE in item.path.parents and item.name.endswith("[NOTSET]")


def _holds_suite(config: pytest.Config, argument: str) -> bool:
    """Whether an argument of the command line stands for the whole suite."""
    if config.getoption("pyargs") and argument in ("conformance", "conformance.suite"):
        return True
    path = (config.invocation_params.dir / argument).resolve()
    return path in (PACKAGE, SUITE) or _descends_to_suite(path)


@pytest.fixture(scope="session")
def conform_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """What all judged tests of a process share."""
    session = settings_of(pytestconfig).session(_cross_checked(settings_of(pytestconfig)))
    yield session
    session.implementation.close()


def _cross_checked(chosen: Settings) -> list[Any]:
    """Where this project tests itself, on what was recorded of this Keras: a right implementation and one with mistakes."""
    sample = PACKAGE.parent / "fixtures" / "implementations" / "broken.py"
    if chosen.judges_only or chosen.falls_back or not sample.is_file():
        return []
    from importlib.metadata import version

    from conformance.implementations.module import ModuleImplementation
    from conformance.oracle.recorded.vectors import folder, manifest

    facts = manifest(folder())
    as_recorded = chosen.profile != "full" and (chosen.seed, version("keras")) == (facts["seed"], facts["keras"])
    return [ModuleImplementation(name) for name in ("reference", str(sample))] if as_recorded else []


@pytest.fixture
def conform(conform_session: Session, request: pytest.FixtureRequest) -> CaseRunner:
    """The runner of one test: what is settled there ends the test and stays attached to it."""
    from conformance.judging.session import CaseRunner
    from conformance.plugin.outcome import again, end_test

    item, chosen = request.node, settings_of(request.config)
    settle = functools.partial(end_test, item, chosen.xfail, conform_session.must_support, functools.partial(keep, item, {}))
    return CaseRunner(conform_session, item.name, functools.partial(again, item, chosen.again), settle)
