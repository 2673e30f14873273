"""Points as numbers and in words: to hundredths, and never rounded to everything or to nothing."""

from __future__ import annotations

from conformance.grading.result import ItemResult

CLOSE = 1e-9


def is_full(item: ItemResult) -> bool:
    """Whether an item earned all that it is worth; one that is worth nothing, whether every case that counts passed."""
    return item.earned >= item.points - CLOSE if item.points else 0 < item.counted == item.passed


def hundredths(earned: float, points: float) -> int:
    """Points in whole hundredths; what is not all of them is less than all, what is more than nothing is more than nothing."""
    all_of_them, nearest = round(100 * points), round(100 * earned)
    if earned < points - CLOSE and nearest >= all_of_them:
        return max(all_of_them - 1, 0)
    return 1 if earned > 0 and nearest == 0 and all_of_them > 1 else nearest


def exact(number: float) -> float:
    """A number as JSON has it, without what adding up left behind the sixth digit."""
    return round(float(number), 6)


def in_words(earned: float, points: float) -> str:
    """Points as they are read: "7.5", "10"."""
    return written(hundredths(earned, points) / 100)


def written(number: float, digits: int = 2) -> str:
    """A number without needless digits."""
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")


def of_points(earned: float, points: float) -> str:
    """What was earned of what: "7.5 of 10 points"."""
    return f"{in_words(earned, points)} of {_points(written(points))}"


def worth(points: float) -> str:
    """So many points: "1 point", "2.5 points"; of more than nothing never "0 points"."""
    return _points(written(max(points, 0.01) if points > 0 else points))


def _points(number: str) -> str:
    return f"{number} point{'s' * (number != '1')}"
