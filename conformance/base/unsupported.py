"""What an implementation does not support, as a table: for each layer the options that it lacks and the values that it refuses."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.base.call import REFUSED, REFUSES
from conformance.base.record import Record
from conformance.base.words import listed

VALUE = re.compile(r"(\w+)=('[^']*'|\"[^\"]*\"|\([^)]*\)|\[[^\]]*\]|[^\s,;:()]+)")
MISSING_ARGUMENT = re.compile(r"missing (?:a|\d+) required (?:positional )?arguments?: (.*)")
NO_FUNCTION = " has no function "
OTHER_FUNCTION = re.compile(r"\w+_(backward|compute_mask)\b")
"""Who a message tells of that is not the forward pass, and so has a row of its own for what that does not lack."""
OF_OTHERS = "property"
"""Kind of the questions that ask functions of other layers as well: that these are not there is no lack of the layer."""
Feature = tuple[str, str]
COLUMNS = ("not supported", "options and functions that are not there", "values that are refused")
MOST_NAMES, MOST_VALUES, MOST_REASONS = 6, 3, 2


@dataclass
class _Lack:
    """What a function does not take: options (and whatever else a call asks for), and values of options."""

    options: dict[str, None] = field(default_factory=dict)
    values: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def beyond(self, other: _Lack) -> _Lack:
        """What the other takes."""
        options = {name: None for name in self.options if name not in other.options}
        refused = {option: {one: None for one in ones if one not in other.values.get(option, ())} for option, ones in self.values.items()}
        return _Lack(options, {option: ones for option, ones in refused.items() if ones})

    def cells(self) -> tuple[str, str]:
        """Both in words."""
        return listed([*self.options], MOST_NAMES), "; ".join(_values(name, [*values]) for name, values in self.values.items())


def unsupported_rows(
    layer: str, records: Iterable[Record], answered: Iterable[Record] = (), told: Iterable[Record] = ()
) -> list[tuple[str, ...]]:
    """The row of a layer, none where everything is supported; one of each other function for what only that lacks; the other reasons.

    Of the reasons those are told that are most frequent. Where none names an option, one is refused of which the value never stands in a
    case that was `answered`. What `told` lack as well is left out.
    """
    answered = list(answered)
    found, others = _lacks(layer, records, answered)
    before, _ = _lacks(layer, told, answered)
    own = {name: lack.beyond(before[name]) for name, lack in found.items()}
    cells = {name: (lack if name == layer else lack.beyond(found[layer])).cells() for name, lack in own.items()}
    reasons = [reason for reason, _ in others.most_common(MOST_REASONS)]
    more = [f"{len(others) - MOST_REASONS} more reasons"] if len(others) > MOST_REASONS else []
    return [(name, *row) for name, row in cells.items() if any(row)] + [(layer, reason) for reason in [*reasons, *more]]


def _lacks(layer: str, records: Iterable[Record], answered: Iterable[Record]) -> tuple[dict[str, _Lack], Counter[str]]:
    """What each function lacks, the layer's first, and the reasons that name no option."""
    found: dict[str, _Lack] = defaultdict(_Lack, {layer: _Lack()})
    others: Counter[str] = Counter()
    taken = {feature for record in answered for feature in record.options.items()}
    for record in sorted(records, key=lambda record: len(record.options.items() - taken)):
        if record.kind == OF_OTHERS and NO_FUNCTION in record.message:
            continue
        function = OTHER_FUNCTION.match(record.message)
        lack = found[function[0] if function else layer]
        absent = _lacking(record)
        values = [] if absent else _refused(record, taken, lack.values)
        lack.options.update(dict.fromkeys(absent))
        for option, value in values:
            lack.values[option][value] = None
        if not absent and not values:
            others[record.message] += 1
    return found, others


def _values(option: str, values: Sequence[str]) -> str:
    """An option and the values of it that are refused; the option alone where its value is an array, which has no words."""
    return f"{option}: {listed(values, MOST_VALUES)}" if any(values) else option


def _lacking(record: Record) -> list[str]:
    """The options that a signature does not take, the weight that it cannot be called without, or the function that is not there."""
    message = record.message
    if REFUSED in message:
        return message.partition(REFUSED)[2].split(", ")
    if NO_FUNCTION in message:
        return [f"the function {message.rpartition(NO_FUNCTION)[2]}"]
    missing = MISSING_ARGUMENT.search(message)
    return [f"a call without {name}" for name in re.findall(r"'(\w+)'", missing[1])] if missing else []


def _refused(record: Record, taken: set[Feature], refused: Mapping[str, Mapping[str, None]]) -> list[Feature]:
    """The values that the message names; else, where anything was answered, those that were not: where one is known, that."""
    if REFUSES in record.message:
        said = record.message.partition(REFUSES)[2]
        arrays = [(name, "") for name in said.split(" and ") if name.isidentifier()]
        return [(option, value.strip("'\"")) for option, value in VALUE.findall(said)] + arrays
    never = [feature for feature in record.options.items() if feature not in taken] if taken else []
    return [(option, value) for option, value in never if value in refused.get(option, ())] or never


def table(rows: Sequence[Sequence[str]], aligned: str) -> list[str]:
    """Rows of text in columns, the first as a heading with a rule below; `aligned` has "l" or "r" for each column."""
    full = [row for row in rows if len(row) == len(aligned)]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, aligned, strict=False)
        return "  ".join(cell.ljust(width) if side == "l" else cell.rjust(width) for cell, width, side in cells).rstrip()

    heading, *rest = rows
    return [line(heading), "  ".join("-" * width for width in widths), *map(line, rest)]
