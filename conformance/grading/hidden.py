"""Hidden cases: other arrays and other sizes than those that everybody can read, drawn by a seed that nobody can know before.

A hidden case has the options of a declared one and is asked in the same way. Its sizes lie within the ranges of drawn cases, its arrays
come from its own seed. What could be argued about is left out: defects of Keras, ties and kinks, arrays that cannot tell right from
wrong, values that a change in the last digit moves far, gradients that are no slopes of the forward pass.

Which case it is follows from the seed, the item and its number alone, never from who answers; what a submission takes only decides which
numbers are asked. So a case can be made again afterwards: see :func:`made_again`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from conformance import checks
from conformance.base.errors import IllConditionedCaseError, NotDiscriminatingError, SuiteError
from conformance.base.record import EDGE, UNSUPPORTED, Record
from conformance.cases import ALL
from conformance.cases.case import Case
from conformance.cases.losses import LOSS_CASES
from conformance.cases.questions import function_name
from conformance.grading.new_cases import ORACLE, PARTS, is_sound, new_case, question_of
from conformance.grading.rubric import Item
from conformance.implementations.protocol import Implementation
from conformance.judging.sentences import in_sentences
from conformance.judging.session import CaseRunner, Session, Settle
from conformance.oracle.environment import missing_package
from conformance.oracle.protocol import LIVE, REFERENCE, Oracle

SEED_BYTES = 6
"""Of a seed: so many that every reader of JSON has the number exactly."""
TRIES = 40
"""For each case that is wanted: of many only some are taken, or are sound."""
SPARE = 2
"""For each case that is wanted so many are asked that are refused when they are called."""
AGAIN = "only your course can, since the case is hidden"
ANSWERED_BY = {
    LIVE: "Hidden cases were answered by Keras {keras} itself.",
    REFERENCE: "Hidden cases were answered by this suite's own NumPy functions, which agree with Keras {keras} in all recorded cases: "
    "TensorFlow is not installed here.",
}
"""Which oracle spoke, in a sentence."""
IDENTIFIER = re.compile(r"hidden_(?P<part>\w+)\[(?P<item>.+)-(?P<layer>\w+)-(?P<number>\d+)-float\d\d\]")


class HiddenCase(NamedTuple):
    """A hidden case: its kind of question, its id, and what the check of that kind takes."""

    kind: str
    identifier: str
    question: tuple[Any, ...]


def case_seed(secret: bytes, assignment: str, sha256: str) -> int:
    """The seed of a submission's hidden cases: HMAC-SHA256 of the assignment's name and the submission's hash, the course's secret the key.

    Reproducible by whoever has the secret, unpredictable for others, another one for every submission; knowing it does not give the secret.
    """
    digest = hmac.new(secret, f"{assignment}\0{sha256}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:SEED_BYTES], "big")


def who_answers() -> str:
    """The oracle of hidden cases: live Keras where TensorFlow and Keras are installed, else the reference. Imports neither."""
    return LIVE if missing_package() is None else REFERENCE


def hidden_session(session: Session, seed: int, oracle_name: str) -> Session:
    """The session in which hidden cases are asked of the same implementation; `oracle_name` for a whole batch, see :func:`who_answers`."""
    made = replace(session, seed=seed, oracle_name=oracle_name, first={})
    made.implementation = session.implementation
    return made


def answered_by(session: Session) -> str:
    """The sentence that says which oracle spoke."""
    return ANSWERED_BY[session.oracle_name].format(keras=session.oracle.keras)


def ask_hidden(session: Session, item: Item, settle: Settle) -> None:
    """Ask the hidden cases of an item, ``item.hidden`` of each layer and pass, and settle their records as those of declared cases.

    `session` is that of :func:`hidden_session`. Options are varied as far as the submission takes them. Where it takes fewer cases than
    are wanted, or has no such function, those that it refuses are settled as unsupported, so that there are always as many.
    """
    for layer, part in asked_about(item):
        _ask_part(session, item, layer, part, settle)


def asked_about(item: Item) -> Iterator[tuple[str, str]]:
    """The layers and passes of an item of which there are hidden cases: forward and backward passes, losses and their gradients.

    Hidden cases are of the core: an item of the edge alone has none.
    """
    for layer in item.layers if item.hidden and item.level != EDGE else ():
        known = ("forward", "backward") if layer in ALL else ("loss", "loss_gradient") if layer in LOSS_CASES else ()
        yield from ((layer, part) for part in known if not item.passes or part in item.passes)


def made_again(item: Item, seed: int, identifier: str) -> HiddenCase:
    """The hidden case of this id, as it was asked of the submission that had this seed.

    Raises
    ------
    ValueError
        If the id is none of a hidden case of the item.
    """
    found = IDENTIFIER.fullmatch(identifier)
    if found and found["item"] == item.id and (found["layer"], found["part"]) in asked_about(item):
        case = new_case(item, found["layer"], found["part"], seed, int(found["number"]))
        made = None if case is None else _hidden(item, found["part"], int(found["number"]), case)
        if made is not None and made.identifier == identifier:
            return made
    raise ValueError(f"{item.id} has no hidden case {identifier!r}")


def item_of(identifier: str) -> str | None:
    """The id of the item that a hidden case is of; None of a case that is not hidden."""
    found = IDENTIFIER.fullmatch(identifier)
    return found["item"] if found else None


def hidden_cases(
    item: Item, layer: str, part: str, implementation: Implementation, seed: int, oracle: Oracle = ORACLE
) -> Iterator[HiddenCase]:
    """The hidden cases of a layer and pass, in their order: those that the implementation may take, then those of which it does not.

    More than ``item.hidden``, since some may be refused when they are called. Whether a case is sound is always for the reference to say,
    which `oracle` is.
    """
    refused = []
    wanted = range(TRIES * item.hidden)
    made = ((number, case) for number in wanted if (case := new_case(item, layer, part, seed, number)) is not None)
    if not implementation.has(_function_of(layer, part)):
        yield from (_hidden(item, part, *one) for one in islice(made, item.hidden))
        return
    for number, case in made:
        if implementation.refusal(question_of(part, case, seed)) is not None:
            refused.append(_hidden(item, part, number, case))
        elif is_sound(part, case, seed, oracle):
            yield _hidden(item, part, number, case)
    yield from refused


def _ask_part(session: Session, item: Item, layer: str, part: str, settle: Settle) -> None:
    answered, refused = 0, []
    # The same one, where it answers as well, need not compute everything twice.
    oracle = session.oracle if session.oracle_name == REFERENCE else ORACLE
    for hidden in hidden_cases(item, layer, part, session.implementation, session.seed, oracle):
        settled = _asked(session, hidden)
        if settled and settled[0].status == UNSUPPORTED:
            refused.append(settled)
        elif settled:
            settle(*settled)
            answered += 1
        if answered == item.hidden or len(refused) == SPARE * item.hidden:
            break
    for settled in refused[: item.hidden - answered]:
        settle(*settled)


def _asked(session: Session, hidden: HiddenCase) -> tuple[Record, Callable[[], str]] | None:
    """The record of a case and its explanation; None where the oracle finds that nobody can be judged by it."""
    settled: list[tuple[Record, Callable[[], str]]] = []
    runner = CaseRunner(session, hidden.identifier, lambda: AGAIN, lambda *one: settled.append(one), in_sentences)
    try:
        checks.KINDS[hidden.kind].check(runner, *hidden.question)
    except (IllConditionedCaseError, NotDiscriminatingError, SuiteError):
        return None
    return settled[0]


def _hidden(item: Item, part: str, number: int, case: Case) -> HiddenCase:
    kind, before = PARTS[part]
    identifier = f"hidden_{part}[{item.id}-{case.layer}-{number}-{case.dtype}]"
    return HiddenCase(kind, identifier, (*before, case))


def _function_of(layer: str, part: str) -> str:
    return function_name(layer, "backward" if part in ("backward", "loss_gradient") else "forward")
