"""Failures of a layer, grouped by what is behind them: a mistake that has a name, an error, or what the cases have in common."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from conformance.base.call import WITHOUT
from conformance.base.record import BLOCKED, ERROR, PROPERTY, Record
from conformance.base.words import listed

OF_VALUES = re.compile(r"(step \d+: )?(the only value is|all \d+ values are|\d+ of \d+ values are) off")
"""What the message of an answer says whose values alone are wrong: nothing about the cause."""
OF_VALUES_AT_THE_END = re.compile(f": {OF_VALUES.pattern}$")
OF_A_MASK = re.compile(r" of \S+ gives\n.*", re.DOTALL)
RAISED = re.compile(r"raised (\w+): .*?( \([^()]*, line \d+\))?$", re.DOTALL)
REPEATED, STATEFUL = "repeated", "stateful"
"""Kinds of questions that a layer fails as well which is wrong elsewhere, as it does equations."""
NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")
MOST_VALUES = 3
FEATURES = 2
"""Axes of an input of (batch, features)."""

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
        What these cases have in common that no other has, in words, be it two options or three together; empty where there is nothing.
    """

    records: tuple[Record, ...]
    causes: tuple[str, ...] = ()
    complaint: str = ""
    common: str = ""

    @property
    def has_cause(self) -> bool:
        """Whether anything is known of what is behind them."""
        return bool(self.causes or self.complaint)

    @property
    def follows(self) -> bool:
        """Whether a layer fails these cases as well that is wrong elsewhere."""
        return follows(self.records[0])


def follows(record: Record) -> bool:
    """Whether this may have failed only because the layer is wrong elsewhere: such failures are told last."""
    return record.kind in (PROPERTY, STATEFUL) or (record.kind == REPEATED and record.status == BLOCKED)


def grouped(wrong: Sequence[Record], others: Sequence[Record], causes: Mapping[str, Sequence[str]]) -> list[Group]:
    """The failures of a layer by cause, the likeliest to help first.

    By how many cases they hold, which count twice where there is a cause, and twice where the simplest has no unusual option. A cause is a
    mistake by name, or one complaint; without one there is only what the cases have in common, or a single case. Of groups alike the one
    with the simplest case comes first; what fails only because something else does comes last.

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
    unusual = _count_of_unusual([*wrong, *others])

    def weight(group: Group) -> int:
        return len(group.records) * (1 + group.has_cause) * (1 + (min(map(unusual, group.records)) == 0))

    return sorted(explained + rest, key=lambda group: (group.follows, -weight(group)))


def simplest_first(records: Iterable[Record], others: Iterable[Record] = ()) -> list[Record]:
    """Forward before backward, few unusual options before many, float64 before float32; else in the order in which they were asked."""
    records = list(records)
    unusual = _count_of_unusual([*records, *others])
    return sorted(records, key=lambda record: (record.kind != "forward", unusual(record), dtype_of(record) == "float32"))


def dtype_of(record: Record) -> str:
    """The float type that a record's id ends with; empty where it names none."""
    found = re.search(r"(float\d\d)(-\w+)?\]?$", record.id)
    return found[1] if found else ""


def _count_of_unusual(records: Iterable[Record]) -> Callable[[Record], int]:
    """Counts the options of a record that have another value than most of these have."""
    usual = _usual(records)
    return lambda record: sum(usual[name] != value for name, value in record.options.items())


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
    message = OF_A_MASK.sub(" gives another mask than the expected one", OF_VALUES_AT_THE_END.sub("", message.rpartition(WITHOUT)[2]))
    raised = RAISED.search(message) if record.status == ERROR or " raised " in message else None
    if raised:
        return f"{message[: raised.start()]}raised {raised[1]}{raised[2] or ''}"
    # Behind a semicolon stands what is special about the case, and of a property everything that is not the property.
    return " ".join(re.split(r": | \(|; " if record.kind == PROPERTY else "; ", message, maxsplit=1)[0].split())


def _key(record: Record) -> str:
    """The complaint with all its numbers blanked: shapes differ from case to case."""
    said = complaint_of(record)
    return said if " raised " in said else NUMBER.sub("n", said)


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
    """What all these failures have in common and no other case has: an option's value, "other than" one, or options together."""
    if not others:
        return ""
    for name in _options(wrong[0]):
        failing, passing = _values(wrong, name), _values(others, name) - {None}
        if None in failing or not passing or failing & passing:
            continue
        if len(failing) > 1 and len(passing) == 1:
            usual_value = next(iter(passing))
            return _unusual(name, {str(value) for value in failing}, str(usual_value))
        if len(failing) <= MOST_VALUES:
            return listed([_words(name, str(value)) for value in sorted(map(str, failing))], word="or")
    return _together(wrong, others) or _more_axes(wrong, others)


def _more_axes(wrong: Sequence[Record], others: Sequence[Record]) -> str:
    """That each failure has an input of more axes than any other case: much code takes (batch, features) alone."""
    fewest, most = min(record.axes for record in wrong), max(record.axes for record in others)
    if not 0 < most < fewest:
        return ""
    return f"an input of more axes than {'(batch, features)' if most == FEATURES else most}"


def _together(wrong: Sequence[Record], others: Sequence[Record]) -> str:
    """Two options, or three, of which none is at its usual value in any failure, and that never meet so elsewhere."""
    usual = _usual([*wrong, *others])
    values = {name: {record.options.get(name, usual[name]) for record in wrong} for name in wrong[0].options}
    values = {name: own for name, own in values.items() if usual[name] not in own}

    def has(record: Record, name: str) -> bool:
        value = record.options.get(name, usual[name])
        return value in values[name] if len(values[name]) == 1 else value != usual[name]

    for size in (2, 3):
        for names in combinations(values, size):
            if not any(all(has(record, name) for name in names) for record in others):
                return listed([_unusual(name, values[name], usual[name]) for name in names])
    return ""


def _unusual(name: str, values: set[str], usual: str) -> str:
    """An option with its only value, else that it has another than the usual one."""
    if len(values) == 1:
        return _words(name, next(iter(values)))
    return name if usual in ("None", "False") else f"{name} other than {usual}"


def _options(record: Record) -> dict[str, str]:
    return {**record.options, **({"dtype": dtype_of(record)} if dtype_of(record) else {})}


def _features(record: Record) -> list[Feature]:
    return list(_options(record).items())


def _values(records: Iterable[Record], name: str) -> set[str | None]:
    return {_options(record).get(name) for record in records}


def _words(name: str, value: str) -> str:
    """An option and its value as they stand in a test id."""
    return name if value == "True" else value if name == "dtype" else f"{name}={value}"
