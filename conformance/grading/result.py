"""What a submission got, as plain data: everything that tables, platforms and pages say is in here, and is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

OK, UNGRADABLE, REJECTED, TIMED_OUT, CRASHED, GRADER_ERROR = STATUSES = ("ok", "ungradable", "rejected", "timeout", "crash", "grader_error")
"""How a submission ended: well; there is nothing that can be imported; it needs what is not allowed; calls took too long; its process
ended; the harness itself failed, which is never the submission's fault."""
SCHEMA = 1
WRONG_VALUES, WRONG_FORM, RAISED, TOO_SLOW, MISSING, WAITS = CATEGORIES = (
    "wrong values",
    "wrong form",
    "error",
    "no answer",
    "not supported",
    "waits for another layer",
)
"""What is wrong in a word or two, which gives nothing away: numbers; a shape, a type or a number of results; an exception; a call that took
too long or ended the process; a function, an option or a value that there is not; another layer is wrong."""
NONE, CATEGORY, SENTENCE, FULL = FEEDBACK = ("none", "category", "sentence", "full")
"""How much a student is told of what is wrong: nothing; a :data:`category <CATEGORIES>`; the mistake in a sentence, without any number of
the case; the simplest case with its numbers."""
VISIBLE, HIDDEN, AFTER_DUE_DATE, AFTER_PUBLISHED = VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
"""When a student sees an item, in the words of Gradescope."""


@dataclass(frozen=True)
class Cause:
    """What is behind some failures of a layer.

    Attributes
    ----------
    layer : str
    level : str
        'core' or 'edge'.
    cases : int
        How many cases of the item fail for it.
    category : str
        One of :data:`CATEGORIES`.
    sentence : str
        The mistake and what the cases have in common, in one line that ends with a full stop; no number of the case.
    example : str
        The simplest case in full, several lines, with its numbers.
    named : bool
        Whether the mistake has a name, or is only described.
    """

    layer: str
    level: str
    cases: int
    category: str
    sentence: str
    example: str = ""
    named: bool = False


@dataclass(frozen=True)
class ItemResult:
    """What an item of the rubric earned, and why.

    Attributes
    ----------
    id, title, visibility, feedback, bonus
        As the rubric has them.
    points : float
        What it is worth.
    earned : float
        ``points`` times the share of the cases that count which passed.
    counts : mapping of status to int
        What became of all its cases: 'passed', 'failed', 'unsupported', 'error', 'timeout', 'blocked', 'skipped'; zeros left out.
    passed, counted : int
        Cases that passed, and those that it is a share of.
    right : tuple of str
        Layers of which every case that counts passed.
    causes : tuple of Cause
        What is wrong, the likeliest to help first; core before edge.
    notes : tuple of str
        Sentences on what is not supported and costs, on what waits, on a bonus, on who answered hidden cases.
    """

    id: str
    title: str
    points: float
    earned: float
    counts: Mapping[str, int] = field(default_factory=dict)
    passed: int = 0
    counted: int = 0
    right: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    visibility: str = VISIBLE
    feedback: str = SENTENCE
    bonus: bool = False


@dataclass(frozen=True)
class Timing:
    """What differs from run to run, and nothing else: seconds by the clock, seconds that the submission computed, when it was graded."""

    seconds: float = 0.0
    computed: float = 0.0
    at: str = ""


@dataclass(frozen=True)
class Result:
    """What a submission got.

    Attributes
    ----------
    submission : str
        Its name: the student's, as the file or folder is called. As it came, so it must be escaped wherever it is written.
    status : str
        One of :data:`STATUSES`.
    reason : str
        Why, in sentences for the student; empty where all is well. May quote the submission.
    items : tuple of ItemResult
        Every item of the rubric, also where nothing could be asked.
    sha256 : str
        Of the submitted files, in hexadecimal; empty where they could not be read.
    flags : tuple of str
        What a person should look at: suspicious imports and texts. Never changes points, never shown to the student.
    facts : mapping
        Who answered, rubric, versions, limits, locks: what is needed to repeat it.
    printed : str
        The end of what the submission printed. Never trusted.
    timing : Timing
    """

    submission: str
    status: str
    reason: str = ""
    items: tuple[ItemResult, ...] = ()
    sha256: str = ""
    flags: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    printed: str = ""
    timing: Timing = Timing()

    @property
    def points(self) -> float:
        """What can be earned, bonus apart."""
        return sum(item.points for item in self.items if not item.bonus)

    @property
    def earned(self) -> float:
        """What was earned, bonus included."""
        return sum(item.earned for item in self.items)

    def as_json(self) -> dict[str, Any]:
        """Plain data; what :meth:`from_json` reads."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Result:
        """The result that :meth:`as_json` wrote; ValueError, KeyError or TypeError if it is something else."""
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {SCHEMA}")
        fields = {name: value for name, value in document.items() if name != "schema"}
        items = tuple(_item(item) for item in fields.pop("items"))
        return cls(**_frozen(fields, "flags"), items=items, timing=Timing(**fields.pop("timing")))


def _item(document: Mapping[str, Any]) -> ItemResult:
    causes = tuple(Cause(**cause) for cause in document["causes"])
    return ItemResult(**{**_frozen(document, "right", "notes"), "causes": causes})


def _frozen(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The fields, with lists of text as the tuples they were."""
    return {**{key: value for key, value in document.items() if key != "timing"}, **{name: tuple(document[name]) for name in names}}


def told_to_student(item: ItemResult) -> Sequence[Cause]:
    """The causes of an item with no more than its ``feedback`` lets a student know: nothing, categories, sentences, or all."""
    if item.feedback == NONE:
        return ()
    if item.feedback == CATEGORY:
        counts: dict[tuple[str, str, str], int] = {}
        for cause in item.causes:
            key = (cause.layer, cause.level, cause.category)
            counts[key] = counts.get(key, 0) + cause.cases
        return [Cause(layer, level, cases, category, f"{category}.") for (layer, level, category), cases in counts.items()]
    if item.feedback == SENTENCE:
        return [Cause(one.layer, one.level, one.cases, one.category, one.sentence, named=one.named) for one in item.causes]
    return item.causes
