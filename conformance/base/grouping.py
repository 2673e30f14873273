"""Failures of a layer, grouped by what is behind them: a mistake that has a name, an error, or what the cases have in common."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from conformance.base.record import BLOCKED, ERROR, PROPERTY, Record
from conformance.base.words import listed

OF_VALUES = re.compile(r"(step \d+: )?(the only value is|all \d+ values are|\d+ of \d+ values are) off")
"""What the message of an answer says whose values alone are wrong: nothing about the cause."""
RAISED = re.compile(r"raised (\w+): .*?( \([^()]*, line \d+\))?$", re.DOTALL)
REPEATED = "repeated"
"""The kind of record of a question that is asked again; a layer that is wrong elsewhere fails it as well, as it does equations."""
MOST_VALUES = 3

Feature = tuple[str, str]


@dataclass(frozen=True)
class Group:
    """Failures with one cause.

    Attributes
    ----------
    records : tuple of Record
        The simplest case first.
    causes : tuple of str
        Mistakes by name; each of them gives every one of these answers.
    complaint : str
        Else what is said of each: an error and its place, a wrong shape. Empty where values are off.
    common : str
        What these cases have in common that no other has, in words; empty where there is nothing.
    """

    records: tuple[Record, ...]
    causes: tuple[str, ...] = ()
    complaint: str = ""
    common: str = ""

    @property
    def follows(self) -> bool:
        """Whether a layer fails these cases as well that is wrong elsewhere."""
        return follows(self.records[0])


def follows(record: Record) -> bool:
    """Whether this may have failed only because the layer is wrong elsewhere: such failures are told last."""
    return record.kind == PROPERTY or (record.kind == REPEATED and record.status == BLOCKED)


def grouped(wrong: Sequence[Record], others: Sequence[Record], causes: Mapping[str, Sequence[str]]) -> list[Group]:
    """The failures of a layer by cause, the likeliest to help first.

    Those that a named mistake explains, the one that explains most first; then those with one complaint; then what the cases have in
    common; then single cases. What fails only because something else does comes last.

    Parameters
    ----------
    wrong : sequence of Record
        Failures of one layer.
    others : sequence of Record
        The records of the layer that passed.
    causes : mapping of record id to sequence of str
        The mistakes that give an answer, by name; of a record that is not named nothing is known.
    """
    ordered = simplest_first(wrong, others)
    explained = [Group(tuple(own), names, common=common(own, others)) for names, own in _by_cause(ordered, causes)]
    # What a mistake explains has nothing to do with the next one, as what passes has not.
    apart = [*others, *(record for group in explained for record in group.records)]
    rest = []
    for kind in dict.fromkeys(record.kind for record in ordered):
        own = [record for record in ordered if record.kind == kind and not causes.get(record.id)]
        rest += _by_complaint(own, [record for record in apart if record.kind == kind])
    rest.sort(key=lambda group: -len(group.records))
    return sorted(explained + rest, key=lambda group: group.follows)


def simplest_first(records: Iterable[Record], others: Iterable[Record] = ()) -> list[Record]:
    """Forward before backward, few unusual options before many, float64 before float32; else in the order in which they were asked."""
    records = list(records)
    usual = _usual([*records, *others])

    def unusual(record: Record) -> int:
        return sum(usual[name] != value for name, value in record.options.items())

    return sorted(records, key=lambda record: (record.kind != "forward", unusual(record), dtype_of(record) == "float32"))


def dtype_of(record: Record) -> str:
    """The float type that a record's id ends with; empty where it names none."""
    found = re.search(r"(float\d\d)(-\w+)?\]?$", record.id)
    return found[1] if found else ""


def _usual(records: Iterable[Record]) -> dict[str, str]:
    """The most frequent value of each option: Keras's default, which every case has that is about something else."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for name, value in record.options.items():
            values[name][value] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in values.items()}


def _by_cause(wrong: Sequence[Record], causes: Mapping[str, Sequence[str]]) -> list[tuple[tuple[str, ...], list[Record]]]:
    """The mistake that explains most, with all that it explains; then the one that explains most of what is left, and so on."""
    groups, left = [], [record for record in wrong if causes.get(record.id)]
    while left:
        counts = Counter(sentence for record in left for sentence in dict.fromkeys(causes[record.id]))
        first = counts.most_common(1)[0][0]
        group = [record for record in left if first in causes[record.id]]
        groups.append((tuple(name for name in causes[group[0].id] if all(name in causes[record.id] for record in group)), group))
        left = [record for record in left if first not in causes[record.id]]
    return groups


def complaint_of(record: Record) -> str:
    """What a record's message says about the cause, without the numbers of the case: empty where values are off."""
    message = record.message.partition("; here: ")[2] if record.status == BLOCKED and "; here: " in record.message else record.message
    if OF_VALUES.fullmatch(message):
        return ""
    raised = RAISED.search(message) if record.status == ERROR or " raised " in message else None
    if raised:
        return f"{message[: raised.start()]}raised {raised[1]}{raised[2] or ''}"
    # Behind a semicolon stands what is special about the case, and of a property everything that is not the property.
    return " ".join(re.split(r": | \(|; " if follows(record) else "; ", message, maxsplit=1)[0].split())


def _key(record: Record) -> str:
    """The complaint with all its numbers blanked: shapes differ from case to case."""
    said = complaint_of(record)
    return said if " raised " in said else re.sub(r"\d+", "n", said)


def _by_complaint(wrong: Sequence[Record], others: Sequence[Record]) -> list[Group]:
    """One group for each complaint, and those of which only values are off by what they have in common."""
    parts: dict[str, list[Record]] = defaultdict(list)
    for record in wrong:
        parts[_key(record)].append(record)
    groups = [Group(tuple(own), (), complaint_of(own[0]), common(own, others)) for key, own in parts.items() if key]
    return groups + _by_features(parts.get("", []), others)


def _by_features(wrong: Sequence[Record], others: Sequence[Record]) -> list[Group]:
    """All in one group where they have something in common, else those that have, else each alone."""
    if len(wrong) < 2:
        return [Group((record,), common=common([record], others)) for record in wrong]
    together = common(wrong, others)
    if together or not others:
        return [Group(tuple(wrong), common=together)]
    passing = {feature for record in others for feature in _features(record)}
    counts = Counter(feature for record in wrong for feature in _features(record) if feature not in passing)
    if not counts:
        return [Group((record,)) for record in wrong]
    first, _ = counts.most_common(1)[0]
    own = [record for record in wrong if first in _features(record)]
    rest = [record for record in wrong if first not in _features(record)]
    return [Group(tuple(own), common=_words(*first)), *_by_features(rest, others)]


def common(wrong: Sequence[Record], others: Sequence[Record]) -> str:
    """What all these failures have in common and no other case has: an option's value, "other than" one, or two options together."""
    if not others:
        return ""
    for name in _options(wrong[0]):
        failing, passing = _values(wrong, name), _values(others, name) - {None}
        if None in failing or not passing or failing & passing:
            continue
        if len(failing) > 1 and len(passing) == 1:
            usual_value = next(iter(passing))
            return name if usual_value in ("None", "False") else f"{name} other than {usual_value}"
        if len(failing) <= MOST_VALUES:
            return listed([_words(name, str(value)) for value in sorted(map(str, failing))], word="or")
    shared = set.intersection(*({*_features(record)} for record in wrong))
    usual = {*_usual([*wrong, *others]).items()}
    seen = [{*_features(record)} for record in others]
    for one, other in combinations((feature for feature in _features(wrong[0]) if feature in shared - usual), 2):
        if not any(one in features and other in features for features in seen):
            return f"{_words(*one)} and {_words(*other)}"
    return ""


def _options(record: Record) -> dict[str, str]:
    return {**record.options, **({"dtype": dtype_of(record)} if dtype_of(record) else {})}


def _features(record: Record) -> list[Feature]:
    return list(_options(record).items())


def _values(records: Iterable[Record], name: str) -> set[str | None]:
    return {_options(record).get(name) for record in records}


def _words(name: str, value: str) -> str:
    """An option and its value as they stand in a test id."""
    return name if value == "True" else value if name == "dtype" else f"{name}={value}"
