"""The pytest plugin: options, selection, and the collector that turns reports into records.

It is loaded in every pytest run of an environment that has this distribution, so at start it imports only pytest and the standard
library and changes nothing unless the conformance suite itself is collected.
"""

from __future__ import annotations

import functools
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
SUITE = PACKAGE / "suite"
SELFTESTS = PACKAGE / "selftests"
PROFILES = ("smoke", "standard", "full")
ORACLES = ("live", "recorded")
BYTES_PER_WORKER = 1.2e9
MOST_WORKERS = 8
RECORD = "conform_record"
COLLECTOR = "conform_collector"

OPTIONS: dict[str, dict[str, Any]] = {
    "--conform-oracle": {"metavar": "NAME", "help": "live (Keras itself, default) or recorded (vectors of Keras; needs no TensorFlow)"},
    "--conform-layers": {"metavar": "NAMES", "help": "only these layers, by Keras class name, comma-separated"},
    "--conform-seed": {"metavar": "INT", "help": "seed of all arrays, or 'random' (default: 0)"},
    "--conform-profile": {"metavar": "NAME", "help": "smoke, standard (default) or full"},
    "--conform-iut-mode": {"metavar": "MODE", "help": "inprocess (default), or process: Python code in a process of its own"},
    "--conform-timeout": {"metavar": "SECONDS", "help": "what a call may take in a process of its own or of a program (default: 60)"},
    "--conform-json": {"metavar": "FILE", "help": "write counts and records as JSON"},
    "--conform-markdown": {"metavar": "FILE", "help": "write the table of layers as Markdown"},
    "--conform-xfail": {"metavar": "FILE", "help": "known failures, a line each: test id or pattern, # and the reason"},
    "--conform-data": {"metavar": "DIR", "help": "folder that holds the data sets (default: $CONFORM_DATA, else download)"},
}
SWITCHES = {
    "--conform-require-data": "fail, instead of skip, what needs a data set that is not there",
    "--conform-strict": "fail what is accurate to float32 only in float64, or answers in another float type (always on for the reference)",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Every option also works as an ini setting of the same name with underscores."""
    group = parser.getgroup("conform", "conformance suite for Keras layers")
    group.addoption("--iut", metavar="MODULE|FILE.py[:ATTR]|exec:COMMAND", help="implementation under test (default: reference)")
    parser.addini("iut", "implementation under test")
    for option, settings in OPTIONS.items():
        group.addoption(option, **settings)
        parser.addini(_ini(option), settings["help"])
    for option, text in SWITCHES.items():
        group.addoption(option, action="store_true", default=None, help=text)
        parser.addini(_ini(option), text, type="bool", default=False)


def _ini(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def setting(config: pytest.Config, option: str, default: Any = None) -> Any:
    """The value of an option: command line, then ini, then `default`."""
    value = config.getoption(_ini(option))
    value = config.getini(_ini(option)) if value is None else value
    return default if value in (None, "") else value


def implementation_name(config: pytest.Config) -> str:
    """The implementation under test as it was named; a file named in an ini file lies beside that."""
    name = str(setting(config, "--iut", "reference"))
    beside = _beside_ini(config, "--iut", name)
    return beside if beside and beside.endswith(".py") else name


def implementation_mode(config: pytest.Config) -> str:
    """Where Python code runs: in this process or in one of its own; a usage error names anything else."""
    from conformance.implementations import IN_PROCESS, MODES

    mode = str(setting(config, "--conform-iut-mode", IN_PROCESS))
    if mode not in MODES:
        raise pytest.UsageError(f"--conform-iut-mode must be one of {', '.join(MODES)}, got {mode!r}")
    return mode


def call_timeout(config: pytest.Config) -> float:
    """Seconds that one call may take; a usage error names what is no positive number."""
    from conformance.implementations import TIMEOUT

    given = str(setting(config, "--conform-timeout", TIMEOUT))
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise pytest.UsageError(f"--conform-timeout must be a positive number of seconds, got {given!r}")
    return seconds


def known_failures_file(config: pytest.Config) -> str | None:
    """The file of ``--conform-xfail`` as it was named; one named in an ini file lies beside that."""
    name = setting(config, "--conform-xfail")
    return None if name is None else _beside_ini(config, "--conform-xfail", str(name)) or str(name)


def _beside_ini(config: pytest.Config, option: str, name: str) -> str | None:
    """A file that an ini file names, if it is there."""
    beside = config.inipath.parent / name if config.inipath and config.getoption(_ini(option)) is None else None
    return os.path.relpath(beside) if beside and beside.is_file() else None


def pytest_configure(config: pytest.Config) -> None:
    """Refuse, before anything is collected, what cannot be run: a wrong option, a missing implementation, a missing oracle."""
    if not _collects_suite(config):
        return
    if hasattr(config, "workerinput"):
        # Before anything imports NumPy.
        from conformance.oracle.environment import single_thread

        single_thread()
        config.option.conform_seed = config.workerinput["conform_seed"]
    if setting(config, "--conform-seed") == "random":
        config.option.conform_seed = str(random.SystemRandom().randrange(2**31))
    _check_options(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(config), COLLECTOR)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give each worker the seed: it reads the command line again, and would draw a random one of its own."""
    node.workerinput["conform_seed"] = setting(node.config, "--conform-seed", "0")


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


def _check_options(config: pytest.Config) -> None:
    profile = setting(config, "--conform-profile", "standard")
    if profile not in PROFILES:
        raise pytest.UsageError(f"--conform-profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    seed = str(setting(config, "--conform-seed", "0"))
    if not seed.isdecimal():
        raise pytest.UsageError(f"--conform-seed must be a whole number or 'random', got {seed!r}")
    _check_oracle(config, profile, seed)
    from conformance.implementations.protocol import find

    call_timeout(config)
    complaint = find(implementation_name(config), implementation_mode(config))
    if complaint:
        raise pytest.UsageError(f"--iut={implementation_name(config)}: {complaint}")
    selected_layers(config)


def _check_oracle(config: pytest.Config, profile: str, seed: str) -> None:
    """Without its oracle a run would be green for nothing: refuse it, and what the oracle cannot answer."""
    name = setting(config, "--conform-oracle", "live")
    if name not in ORACLES:
        raise pytest.UsageError(f"--conform-oracle must be one of {', '.join(ORACLES)}, got {name!r}")
    if name == "live":
        from conformance.oracle.environment import MISSING, missing_package

        missing = missing_package()
        if missing:
            raise pytest.UsageError(MISSING.format(missing=missing))
        return
    from conformance.oracle.recorded.vectors import VectorsError, folder, manifest

    try:
        facts = manifest(folder())
    except VectorsError as error:
        raise pytest.UsageError(f"--conform-oracle=recorded: {error}") from None
    if profile == "full" or seed != str(facts["seed"]):
        wanted = "--conform-profile=full" if profile == "full" else f"--conform-seed={seed}"
        recorded = f"the recorded vectors are those of profile {facts['profile']} and seed {facts['seed']}"
        raise pytest.UsageError(f"--conform-oracle=recorded cannot answer {wanted}: {recorded}; live Keras can")


def oracle_title(config: pytest.Config) -> str:
    """What the implementation is compared with, in words."""
    if setting(config, "--conform-oracle", "live") == "live":
        return "live Keras"
    from conformance.oracle.recorded.vectors import folder, manifest

    return f"recorded vectors of Keras {manifest(folder())['keras']}"


def known_failures(config: pytest.Config) -> Any:
    """What is known to fail; a usage error names a file that cannot be used, and its line."""
    from conformance.plugin.xfail import NONE, KnownFailuresError, read_known_failures

    file = known_failures_file(config)
    try:
        return read_known_failures(file) if file else NONE
    except KnownFailuresError as error:
        raise pytest.UsageError(f"--conform-xfail: {error}") from None


def selected_layers(config: pytest.Config) -> list[str]:
    """The layers that this run asks about; a usage error names an unknown one."""
    from conformance.cases import NAMES, known_layer

    wanted = str(setting(config, "--conform-layers", ""))
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    try:
        return [known_layer(name) for name in names] or list(NAMES)
    except ValueError as error:
        raise pytest.UsageError(f"--conform-layers: {error}") from None


def parametrize(metafunc: pytest.Metafunc, names: tuple[str, ...], cases: Any) -> None:
    """A test for every question about the chosen layers; `cases` takes these and the profile, and gives ids with arguments."""
    asked = list(cases(selected_layers(metafunc.config), setting(metafunc.config, "--conform-profile", "standard")))
    metafunc.parametrize(names, [arguments for _, arguments in asked], ids=[identifier for identifier, _ in asked])


def pytest_report_header(config: pytest.Config) -> str | None:
    """What is judged, and with which seed."""
    if not _collects_suite(config):
        return None
    seed, profile = setting(config, "--conform-seed", "0"), setting(config, "--conform-profile", "standard")
    return f"conformance: {implementation_name(config)} against {oracle_title(config)}, profile {profile}, seed {seed}"


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
    return True if SELFTESTS in (collection_path, *collection_path.parents) and _judges_only(config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out selftests that were named on the command line, too, and tests without a case."""
    out = [item for item in items if (SELFTESTS in item.path.parents and _judges_only(config)) or _is_empty(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        left_out = set(out)
        items[:] = [item for item in items if item not in left_out]


def _is_empty(item: pytest.Item) -> bool:
    """Whether pytest made the item for a test of the suite that has no case among the chosen layers."""
    return SUITE in item.path.parents and item.name.endswith("[NOTSET]")


def _judges_only(config: pytest.Config) -> bool:
    recorded = setting(config, "--conform-oracle", "live") != "live"
    return implementation_name(config) != "reference" or recorded or bool(setting(config, "--conform-layers"))


def _narrowed(config: pytest.Config, exitstatus: int, failed: int) -> str:
    """What keeps a run from asking about everything, in words; empty where nothing does."""
    options = config.option
    reasons = {
        "-k": options.keyword,
        "-m": options.markexpr,
        "--deselect": options.deselect,
        "--ignore": options.ignore or options.ignore_glob,
        "--last-failed": getattr(options, "lf", False),
        "--stepwise": getattr(options, "stepwise", False),
        "--conform-layers": setting(config, "--conform-layers"),
        "--conform-profile=smoke": setting(config, "--conform-profile") == "smoke",
        "the tests that were named": not any(_holds_suite(config, str(argument)) for argument in config.args),
        "--maxfail": options.maxfail and failed >= options.maxfail,
        "its interruption": exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
    }
    return ", ".join(reason for reason, holds in reasons.items() if holds)


def _holds_suite(config: pytest.Config, argument: str) -> bool:
    """Whether an argument of the command line stands for the whole suite."""
    if config.getoption("pyargs") and argument in ("conformance", "conformance.suite"):
        return True
    path = (config.invocation_params.dir / argument).resolve()
    return path in (PACKAGE, SUITE) or _descends_to_suite(path)


@pytest.fixture(scope="session")
def conform_session(pytestconfig: pytest.Config) -> Iterator[Any]:
    """What all judged tests of a process share."""
    from conformance.faults import consistent_faults
    from conformance.judging.session import Session

    iut = implementation_name(pytestconfig)
    session = Session(
        iut=iut,
        oracle_name=setting(pytestconfig, "--conform-oracle", "live"),
        seed=int(setting(pytestconfig, "--conform-seed", "0")),
        profile=setting(pytestconfig, "--conform-profile", "standard"),
        strict=bool(setting(pytestconfig, "--conform-strict")) or iut == "reference",
        must_support=iut == "reference",
        data=setting(pytestconfig, "--conform-data"),
        require_data=bool(setting(pytestconfig, "--conform-require-data")),
        cross_checked=_cross_checked(pytestconfig),
        mode=implementation_mode(pytestconfig),
        timeout=call_timeout(pytestconfig),
        diagnose=consistent_faults,
    )
    yield session
    session.implementation.close()


def _cross_checked(config: pytest.Config) -> list[Any]:
    """Where this project tests itself, on what was recorded of this Keras: a right implementation and one with mistakes."""
    sample = PACKAGE.parent / "fixtures" / "implementations" / "broken.py"
    if _judges_only(config) or not sample.is_file():
        return []
    from importlib.metadata import version

    from conformance.implementations.module import ModuleImplementation
    from conformance.oracle.recorded.vectors import folder, manifest

    facts = manifest(folder())
    asked = (setting(config, "--conform-seed", "0"), setting(config, "--conform-profile", "standard") != "full", version("keras"))
    recorded = (str(facts["seed"]), True, facts["keras"])
    return [ModuleImplementation(name) for name in ("reference", str(sample))] if asked == recorded else []


@pytest.fixture(scope="session")
def conform_known_failures(pytestconfig: pytest.Config) -> Any:
    """The entries of ``--conform-xfail``."""
    return known_failures(pytestconfig)


@pytest.fixture
def conform(conform_session: Any, conform_known_failures: Any, request: pytest.FixtureRequest) -> Any:
    """The runner of one test: what is settled there ends the test and stays attached to it."""
    from conformance.judging.session import CaseRunner
    from conformance.plugin.outcome import again, end_test

    item = request.node
    settle = functools.partial(end_test, item, conform_session, conform_known_failures)
    return CaseRunner(conform_session, item.name, functools.partial(again, item, conform_session), settle)


def _unusual_calls(config: pytest.Config) -> dict[str, Any]:
    """How the implementation is called, as far as it is not as usual."""
    from conformance.implementations import IN_PROCESS, TIMEOUT

    mode, timeout = implementation_mode(config), call_timeout(config)
    return {**({} if mode == IN_PROCESS else {"iut_mode": mode}), **({} if timeout == TIMEOUT else {"timeout": timeout})}


class Collector:
    """Gathers the records from the reports, in this process or from workers, and writes the files at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.known = known_failures(config)
        self.records: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the records that a test attached to itself."""
        for name, value in report.user_properties:
            if name == RECORD and isinstance(value, dict):
                self.records[value["id"]] = value
        if report.failed and report.when not in ("setup", "call", "teardown"):
            self._died(report)

    def _died(self, report: pytest.TestReport) -> None:
        """The record of a case in which a worker died: nothing is left of it but its name."""
        from conformance.base.record import ERROR, Record
        from conformance.cases import NAMES

        name = report.nodeid.rpartition("::")[2]
        test, _, case = name.partition("[")
        layer = case.rstrip("]").partition("-")[0]
        if layer in NAMES:
            record = Record(name, layer, test.removeprefix("test_"), ERROR, message=str(report.longrepr))
            self.records[name] = vars(record)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write ``--conform-json`` and ``--conform-markdown``."""
        targets = [setting(self.config, option) for option in ("--conform-json", "--conform-markdown")]
        if any(targets) and not self.config.option.collectonly:
            from conformance.plugin.summary import write_results

            facts = {
                "iut": implementation_name(self.config),
                "oracle": setting(self.config, "--conform-oracle", "live"),
                "seed": int(setting(self.config, "--conform-seed", "0")),
                "profile": setting(self.config, "--conform-profile", "standard"),
                **_unusual_calls(self.config),
            }
            write_results(self._sorted(), facts, *targets)

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        """One line of counts, a line for every layer that is not all passed, and what became of the known failures."""
        if self.records:
            from conformance.plugin.summary import summary_lines

            terminalreporter.section("conformance")
            for line in summary_lines(implementation_name(self.config), self._sorted()):
                terminalreporter.write_line(line)
            if self.known.entries:
                from conformance.plugin import xfail

                narrowed = _narrowed(self.config, int(exitstatus), len(terminalreporter.stats.get("failed", [])))
                for line in xfail.summary_lines(self.known, self._sorted(), narrowed):
                    terminalreporter.write_line(line)

    def _sorted(self) -> list[dict[str, Any]]:
        return [self.records[key] for key in sorted(self.records)]
