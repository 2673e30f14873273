"""The suite's cases in a test file of a user's own: ``@parametrize_with_layers("my_layers", layers=["Dense"])``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest

from conformance import checks
from conformance.base.errors import UnimportableError
from conformance.cases import NAMES, known_layer
from conformance.judging.session import CaseRunner, Session
from conformance.oracle.protocol import RECORDED
from conformance.plugin import OPTIONS, keep, settings_of
from conformance.plugin.outcome import again, end_test
from conformance.plugin.settings import Settings, read
from conformance.plugin.xfail import NONE
from conformance.suite.check import ANSWERED, own_layers, questions


def parametrize_with_layers(
    what: str, layers: Sequence[str] | None = None, *, oracle: str = RECORDED, profile: str = "standard", kinds: Sequence[str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test with cases of the suite, one a test, which it asks by itself.

    ::

        @parametrize_with_layers("my_layers", layers=["Dense", "LSTM"])
        def test_my_layers(case):
            case.check()

    The test of a case is named ``test_my_layers[forward-Dense-units=6-features-float64]``: the kind of question, then the id that the
    case has in the suite. Its record is the suite's; where the plugin is loaded it is counted at the end of the run, and written and
    known to fail as ``--conform-json``, ``--conform-markdown`` and ``--conform-xfail`` say. All other settings are those given here.

    Parameters
    ----------
    what : str
        The implementation: a module's name, a file (relative to where pytest is started), or what else ``--iut`` takes. It is imported
        when the first case is asked.
    layers : sequence of str, optional
        Keras class names, names of activation functions, losses, optimizers. Without it all that `what` has functions of, which is
        imported for that when the test file is.
    oracle : {"recorded", "live"}
        Recorded answers of Keras, or Keras itself.
    profile : {"smoke", "standard", "full"}
        How many combinations of options are asked.
    kinds : sequence of str, optional
        'forward', 'backward' ..., see :mod:`conformance.checks`. Without it all that the oracle can answer.

    Raises
    ------
    ValueError
        If a name is unknown, `what` is not there, the oracle cannot answer, or there is no case.

    Notes
    -----
    Where `what` cannot be imported one message shows the line, and the run ends with exit code 4: when the test file is collected, or, with
    `layers`, when the first case is asked. Workers of pytest-xdist cannot end a run: there the test file fails with it, or the first case,
    and the others are skipped.
    """
    given = {"iut": what, "oracle": oracle, "profile": profile}
    chosen = read(OPTIONS, lambda option: given.get(option.field))
    refusal = chosen.refusal()
    if refusal:
        raise ValueError(refusal)
    try:
        names = own_layers(_session(chosen)[0].implementation, NAMES) if layers is None else [known_layer(name) for name in layers]
    except UnimportableError as error:
        unimportable.append(what)
        raise UnimportableTestsError(error.in_full) from None
    asked = kinds or (ANSWERED if oracle == RECORDED else tuple(checks.KINDS))
    cases = [LayerCase(*one, chosen) for one in questions(names, profile, asked)]
    if not cases:
        raise ValueError(f"there is no case of {', '.join(names) or f'what is in {chosen.iut}'} that could be asked")
    return pytest.mark.parametrize("case", cases, ids=[f"{case.kind}-{case.id}" for case in cases])


@dataclass(eq=False)
class LayerCase:
    """One question about a layer, which can be asked where it stands."""

    kind: str
    id: str
    question: tuple[Any, ...]
    settings: Settings
    item: pytest.Function | None = None

    @property
    def level(self) -> str:
        """'core' or 'edge'."""
        return checks.KINDS[self.kind].level_of(*self.question)

    def check(self) -> None:
        """Ask, and end the test as the suite would: return, skip what is unsupported, else fail with the explanation."""
        __tracebackhide__ = True
        (session, facts), item = _session(self.settings), self.item
        _require_import(session, self.settings.iut)
        known = settings_of(item.config).xfail if item else NONE
        kept = partial(keep, item, facts) if item else lambda record: None
        alone = partial(again, item) if item else lambda: f"pytest '{os.environ['PYTEST_CURRENT_TEST'].rpartition(' ')[0]}'"
        settle = partial(end_test, item, known, session.must_support, kept)
        runner = CaseRunner(session, f"test_{self.kind}[{self.id}]", alone, settle)
        checks.KINDS[self.kind].check(runner, *self.question)


def enter(item: pytest.Item) -> None:
    """Tell the cases of a test which test it is: called by the plugin, where that is loaded."""
    for case in _cases(item):
        if isinstance(item, pytest.Function):
            case.item = item


def levels(item: pytest.Item) -> set[str]:
    """The levels of the cases of a test; none of any other test."""
    return {case.level for case in _cases(item)}


def _cases(item: pytest.Item) -> list[LayerCase]:
    callspec = getattr(item, "callspec", None)
    return [value for value in callspec.params.values() if isinstance(value, LayerCase)] if callspec else []


@cache
def _session(settings: Settings) -> tuple[Session, dict[str, Any]]:
    """One for all cases of the same settings in this process, and its facts; programs that it starts end with the process."""
    return settings.session(), settings.facts


unimportable: list[str] = []
"""Implementations of which it has been told in this process that they cannot be imported."""


class UnimportableTestsError(pytest.Collector.CollectError):
    """The implementation of a test file cannot be imported: what pytest then shows of the file is this sentence, without a traceback."""


def _require_import(session: Session, iut: str) -> None:
    """End the run where the implementation cannot be imported: nothing can be asked. In a worker end the case."""
    __tracebackhide__ = True
    try:
        session.implementation.has("")
    except UnimportableError as error:
        if "PYTEST_XDIST_WORKER" not in os.environ:
            pytest.exit(error.in_full, returncode=pytest.ExitCode.USAGE_ERROR)
        if iut in unimportable:
            pytest.skip(str(error))
        unimportable.append(iut)
        pytest.fail(error.in_full, pytrace=False)
