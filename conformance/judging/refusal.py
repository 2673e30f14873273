"""Refusing is not being wrong: an exception that stands for "I do not support this" is told from a mistake by asking again.

An exception is a refusal of option values where (1) the implementation's own code raised it, or looked a value up in vain
(:attr:`conformance.base.call.Answer.refused`), (2) each of the values is refused where it stands alone, too, all other options at Keras's
defaults, and (3) the same arrays without them are answered. Answered means that the function returns: whether it returns what is right
is the question of the cases without these options, and a wrong answer to them must not make hundreds of refusals look like mistakes.

``NotImplementedError`` needs none of this. Everything else stays an error: an exception of NumPy, one where two options meet of which
each alone is taken, one where no option is in play.
"""

from __future__ import annotations

from typing import Any

from conformance.base.call import REFUSES, WEIGHTS, Answer, Question
from conformance.base.record import ERROR, PASSED, UNSUPPORTED
from conformance.implementations.protocol import Implementation
from conformance.judging.variants import REMOVING, acts_with, options_of, with_options


def ask(implementation: Implementation, question: Question) -> Answer:
    """The answer to a question; an error that refuses values of options is unsupported, and its message names them."""
    answer = implementation.ask(question)
    refused = _refused(implementation, question, answer)
    if not refused:
        return answer
    said = " and ".join(_words(name, value) for name, value in refused.items())
    return Answer(UNSUPPORTED, message=f"{question.function}{REFUSES}{said}", printed=answer.printed)


def _refused(implementation: Implementation, question: Question, answer: Answer) -> dict[str, Any]:
    """The values that an error refuses, by their options; empty where it is one."""
    found: dict[str, Any] = {}
    while answer.status == ERROR and answer.refused:
        options = options_of(question)
        name = next((name for name in _likely_first(question, answer) if _refuses_alone(implementation, question, name)), None)
        fewer = None if name is None else with_options(question, options.keys() - {name})
        if name is None or fewer is None:
            return {}
        found[name] = options[name]
        question, answer = fewer, implementation.ask(fewer)
    return found if answer.status in (PASSED, UNSUPPORTED) else {}


def _likely_first(question: Question, answer: Answer) -> list[str]:
    """The options that an error may be meant for; first those that its message names, which mostly spares questions about the others.

    Those among them without which one of them does nothing count with it.
    """
    options = options_of(question)

    def unnamed(name: str) -> bool:
        value = options[name]
        return name not in answer.message and not (isinstance(value, str) and value in answer.message)

    meant = {name for name in options if _may_mean(answer, name)}
    partners = {partner for name in meant for partner in acts_with(question, name)}
    return sorted((name for name in options if name in meant | partners), key=unnamed)


def _refuses_alone(implementation: Implementation, question: Question, name: str) -> bool:
    """Whether a value is refused with all other options at their defaults, those apart without which it does nothing."""
    partners = options_of(question).keys() & acts_with(question, name)
    alone = with_options(question, {name, *partners})
    if alone is None:
        return False
    answer = implementation.ask(alone)
    if answer.status != UNSUPPORTED and not (answer.status == ERROR and _may_mean(answer, name)):
        return False
    without = with_options(question, partners) if partners else None
    return without is None or implementation.ask(without).status == PASSED


def _may_mean(answer: Answer, name: str) -> bool:
    """Whether an error may be meant for an option; one that removes a weight is not passed."""
    return name in answer.refused or (name in REMOVING and WEIGHTS in answer.refused)


def _words(name: str, value: Any) -> str:
    """An option and its value; of arrays the name alone."""
    parts = value if isinstance(value, tuple | list) else (value,)
    return f"{name}={value!r}" if all(isinstance(part, str | int | float | None) for part in parts) else name
