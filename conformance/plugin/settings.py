"""The settings of a run, read once from pytest's options: what each may be, and what follows from all of them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from conformance.base.errors import SandboxError, UnimportableError
from conformance.base.files import unwritable
from conformance.cases import NAMES, known_layer
from conformance.faults import consistent_faults
from conformance.implementations import EXEC, IN_PROCESS, MODES, PROCESS
from conformance.implementations.protocol import Implementation, find, implementation_of
from conformance.judging.session import Session
from conformance.oracle import environment
from conformance.oracle.protocol import LIVE, ORACLES, RECORDED, oracle
from conformance.oracle.recorded.vectors import VectorsError, folder, manifest
from conformance.plugin.xfail import NONE, KnownFailures, read_known_failures

if TYPE_CHECKING:
    from conformance.plugin import Option

PROFILES = ("smoke", "standard", "full")


def one_of(known: Sequence[str], given: str) -> str:
    """One of a few names."""
    if given not in known:
        raise ValueError(f"must be one of {', '.join(known)}, got {given!r}")
    return given


def oracle_name(given: str) -> str:
    """One of the oracles; where nothing is given, live Keras if it is installed, else what was recorded of it."""
    return one_of(ORACLES, given) if given else RECORDED if environment.missing_package() else LIVE


def seed_number(given: str) -> int:
    """A whole number; 'random' has become one before."""
    if not given.isdecimal():
        raise ValueError(f"must be a whole number or 'random', got {given!r}")
    return int(given)


def seconds(given: str) -> float | None:
    """A positive number; None where nothing is given."""
    if not given:
        return None
    with contextlib.suppress(ValueError):
        if 0 < float(given) < math.inf:
            return float(given)
    raise ValueError(f"must be a positive number of seconds, got {given!r}")


def layer_names(given: str) -> tuple[str, ...]:
    """Layers that there are cases for; none stands for all."""
    return tuple(known_layer(name.strip()) for name in given.split(",") if name.strip())


def written_file(given: str) -> str:
    """A file that can be written at the end, as far as that can be known at the start; none is fine."""
    complaint = unwritable(Path(given)) if given else None
    if complaint:
        raise ValueError(complaint)
    return given


def table_file(given: str) -> str:
    """As :func:`written_file`, where tables can be made."""
    if given and importlib.util.find_spec("tabulate") is None:
        raise ValueError("tables need the package tabulate (`pip install tabulate`)")
    return written_file(given)


def known_failures(given: str) -> KnownFailures:
    """What a file says is known to fail."""
    return read_known_failures(given) if given else NONE


@dataclass(frozen=True)
class Settings:
    """A field for each option of the plugin, under its name without ``--conform-``, and what reads it.

    A reader takes what was given and raises ``ValueError`` with what it must be, or what is wrong with it. Beside the options stand
    `given`, the fields that somebody chose, `again`, the options that the command for a single case repeats, and `given_facts`, what the
    JSON says of a run as far as it follows from options.
    """

    iut: Annotated[str, str]
    iut_mode: Annotated[str, partial(one_of, MODES)]
    timeout: Annotated[float | None, seconds]
    oracle: Annotated[str, oracle_name]
    layers: Annotated[tuple[str, ...], layer_names]
    profile: Annotated[str, partial(one_of, PROFILES)]
    seed: Annotated[int, seed_number]
    json: Annotated[str, written_file]
    markdown: Annotated[str, table_file]
    xfail: Annotated[KnownFailures, known_failures]
    data: Annotated[str, str]
    require_data: Annotated[bool, bool]
    strict: Annotated[bool, bool]
    given: frozenset[str] = frozenset()
    again: tuple[str, ...] = ()
    given_facts: tuple[tuple[str, Any], ...] = ()

    @property
    def asked(self) -> Sequence[str]:
        """The layers that the run asks about."""
        return self.layers or NAMES

    @property
    def judges_only(self) -> bool:
        """Whether an implementation is judged and not this project itself."""
        return self.iut != "reference" or bool(self.layers) or (self.oracle != LIVE and not self.falls_back)

    @property
    def falls_back(self) -> bool:
        """Whether recorded vectors answer though nobody asked for them: TensorFlow or Keras is not installed."""
        return self.oracle == RECORDED and "oracle" not in self.given

    @property
    def header(self) -> list[str]:
        """What is judged, against what, and with which seed; where nobody chose the vectors, why they answer, and what that leaves out."""
        against = "live Keras" if self.oracle == LIVE else f"recorded vectors of Keras {manifest(folder())['keras']}"
        lines = [f"conformance: {self.iut} against {against}, profile {self.profile}, seed {self.seed}"]
        if self.falls_back:
            why = f"{environment.missing_package()} is not installed here (for live Keras: {environment.how_to_install()})"
            lines.append(f"conformance: recorded vectors answer, since {why}")
        if self.falls_back and not self.judges_only:
            lines.append("conformance: selftests that need Keras, or what is installed with it, are left out")
        return lines

    @property
    def facts(self) -> dict[str, Any]:
        """What the JSON says of the run."""
        facts = dict(self.given_facts)
        return {"iut": self.iut, "oracle": self.oracle, "keras": oracle(self.oracle).keras} | facts

    def session(self, cross_checked: Sequence[Implementation] = ()) -> Session:
        """What all judged tests of a process share."""
        return Session(
            iut=self.iut,
            oracle_name=self.oracle,
            seed=self.seed,
            profile=self.profile,
            strict=self.strict or self.iut == "reference",
            must_support=self.iut == "reference",
            data=self.data or None,
            require_data=self.require_data,
            cross_checked=cross_checked,
            mode=self.iut_mode,
            timeout=self.timeout,
            diagnose=consistent_faults,
        )

    def refusal(self) -> str | None:
        """Why nothing can be judged: what is judged is not there, or the oracle is not, or cannot answer. None where it can.

        Without its oracle a run would be green for nothing.
        """
        missing = find(self.iut, self.iut_mode)
        return self._oracle_refusal() or (f"--iut={self.iut}: {missing}" if missing else None)

    def import_refusal(self, apart: bool) -> str | None:
        """Why the implementation, which is there, cannot be imported, its line shown; None where it can.

        It is tried as it will be asked: here, or in a process of its own; `apart`, which is where workers will import it, never here.
        """
        if self.iut == "reference" or self.iut.startswith(EXEC):
            return None
        mode = PROCESS if apart and os.name == "posix" and self.iut_mode == IN_PROCESS else self.iut_mode
        implementation = implementation_of(self.iut, mode, self.timeout)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                implementation.has("")
            except UnimportableError as error:
                return f"--iut: {error.in_full}"
            except SandboxError as error:
                return f"--conform-iut-mode={self.iut_mode}: {error}"
            finally:
                implementation.close()
        return None

    def import_oracle(self) -> str | None:
        """Import Keras in this process where it is the oracle; why that cannot be, or None."""
        if self.oracle == LIVE:
            try:
                environment.import_keras()
            except environment.NoKerasError as error:
                return f"--conform-oracle=live: {error}"
        return None

    def _oracle_refusal(self) -> str | None:
        if self.oracle == LIVE:
            return environment.refusal("--conform-oracle=live")
        try:
            facts = manifest(folder())
        except VectorsError as error:
            return f"--conform-oracle=recorded: {error}"
        if self.profile != "full" and self.seed == facts["seed"]:
            return None
        wanted = "--conform-profile=full" if self.profile == "full" else f"--conform-seed={self.seed}"
        recorded = f"the recorded vectors are those of profile {facts['profile']} and seed {facts['seed']}"
        if self.falls_back:
            return f"{environment.refusal(wanted)} ({recorded})"
        return f"--conform-oracle=recorded cannot answer {wanted}: {recorded}; live Keras can"


def read(options: Sequence[Option], given: Callable[[Option], Any]) -> Settings:
    """The settings that follow from what is given for each option; where that is None, from its default.

    Raises
    ------
    ValueError
        If an option is given what it cannot be; the sentence names it.
    """
    hints = get_type_hints(Settings, include_extras=True)
    usual, values, chosen = {}, {}, set()
    for option in options:
        (reader,), found = hints[option.field].__metadata__, given(option)
        usual[option.field] = reader(option.default)
        if found not in (None, "", False):
            chosen.add(option.field)
        try:
            values[option.field] = reader(found if option.field in chosen else option.default)
        except ValueError as error:
            raise ValueError(f"{option.name}{' ' if str(error).startswith('must') else ': '}{error}") from None
    changed = [option for option in options if values[option.field] != usual[option.field]]
    again = tuple(f"{option.name}={_plain(values[option.field])}" for option in changed if option.again)
    facts = [option.field for option in options if option.fact == "always"] + [one.field for one in changed if one.fact == "unusual"]
    return Settings(**values, given=frozenset(chosen), again=again, given_facts=tuple((name, values[name]) for name in facts))


def _plain(value: Any) -> str:
    """A value as it is written on the command line."""
    return f"{value:g}" if isinstance(value, float) else str(value)
