"""Refusing is not being wrong: an exception that stands for "I do not support this" is told from a mistake by asking again.

An exception is a refusal of option values where (1) the implementation's own code raised it, or looked a value up in vain
(:attr:`conformance.base.call.Answer.refused`), (2) each of the values is refused where it stands alone, too, all other options at Keras's
defaults, and (3) the same arrays without them are answered. Answered means that the function returns: whether it returns what is right
is the question of the cases without these options, and a wrong answer to them must not make hundreds of refusals look like mistakes.
Where they end in another error instead, the case is an error, and its message tells that one: it is the mistake, not the refusal.

``NotImplementedError`` needs none of this. Everything else stays an error: an exception of NumPy, one where two options meet of which
each alone is taken, one where no option is in play.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from conformance.base.call import REFUSES, WEIGHTS, WITHOUT, Answer, Question
from conformance.base.record import ERROR, PASSED, UNSUPPORTED
from conformance.cases import layer_cases
from conformance.cases.questions import Origin
from conformance.implementations.protocol import Implementation
from conformance.judging.variants import REMOVING, acts_with, options_of, with_options

RAISED_AT = re.compile(r"\([^()]*, line \d+\)$")
"""The end of an error's message that says where it was raised."""


def ask(implementation: Implementation, question: Question) -> Answer:
    """The answer to a question; an error that refuses values of options is unsupported, and its message names them."""
    answer = implementation.ask(question)
    refused, without = _refused(implementation, question, answer)
    if not refused:
        return answer
    message = f"{question.function}{REFUSES}{' and '.join(_words(name, value) for name, value in refused.items())}"
    if without.status == ERROR:
        return answer if _one_error(answer, without) else replace(without, message=f"{message}{WITHOUT}{without.message}", refused=())
    return Answer(UNSUPPORTED, message=message, printed=answer.printed)


def without_a_weight(implementation: Implementation, question: Question) -> Answer | None:
    """That a wrapper does not support one weight less, where the implementation's own function of the wrapped layer requires it; else None.

    In a call by position what stands behind the weights takes the place of the missing one, so that anything may come of it, and not
    only an error. With that weight the same arrays must be answered.
    """
    origin = question.origin
    options = options_of(question)
    removed = REMOVING & options.keys()
    if not removed or not isinstance(origin, Origin) or "layer" not in origin.case.config:
        return None
    x, weights = question.positional[question.function.endswith("_backward") :][:2]
    wrapped = Question(layer_cases(origin.case.config["layer"]).function_name("forward"), (x, *weights))
    if not implementation.has(wrapped.function) or implementation.refusal(wrapped) is None:
        return None
    whole = with_options(question, options.keys() - removed)
    if whole is None or implementation.ask(whole).status != PASSED:
        return None
    refused = " and ".join(f"{name}=False" for name in sorted(removed))
    return Answer(UNSUPPORTED, message=f"{question.function}{REFUSES}{refused}")


def _refused(implementation: Implementation, question: Question, answer: Answer) -> tuple[dict[str, Any], Answer]:
    """The values that an error refuses, by their options, and what the same arrays are answered without them; none of a mistake."""
    found: dict[str, Any] = {}
    while answer.status == ERROR and answer.refused:
        options = options_of(question)
        name = next((name for name in _likely_first(question, answer) if _refuses_alone(implementation, question, name)), None)
        fewer = None if name is None else with_options(question, options.keys() - {name})
        if name is None or fewer is None:
            break
        found[name] = options[name]
        question, answer = fewer, implementation.ask(fewer)
    return (found if answer.status in (PASSED, UNSUPPORTED, ERROR) else {}), answer


def _one_error(one: Answer, other: Answer) -> bool:
    """Whether two errors are the same: by the place where they were raised, where that is known, else by their words."""
    found = [RAISED_AT.search(answer.message) for answer in (one, other)]
    places = [place[0] for place in found if place]
    return places[0] == places[1] if len(places) == 2 else one.message == other.message


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
