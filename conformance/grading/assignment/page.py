"""The page for students: what to write, how to check it, what is counted, what may be used, what is told."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.base.record import CORE, EDGE
from conformance.base.words import listed
from conformance.grading.assignment.functions import asked_passes, functions_of
from conformance.grading.assignment.plan import Assignment
from conformance.grading.assignment.wheel import FILE_NAME
from conformance.grading.result import CATEGORY, FULL, NONE, SENTENCE, VISIBLE
from conformance.grading.rubric import Item
from conformance.implementations.sandbox.limits import MIB

COUNTED = {
    CORE: "ordinary input, as the layer's documentation describes it",
    EDGE: "unusual input: an empty batch, integers in the place of floats, values such as NaN",
    "all": "ordinary and unusual input",
}
TOLD = {
    NONE: "how many cases passed, and not what is wrong",
    CATEGORY: 'in a word or two what is wrong, such as "wrong values"',
    SENTENCE: "the mistake in a sentence, without the numbers of the case",
    FULL: "the simplest case that fails, with its numbers",
}


def page(assignment: Assignment) -> str:
    """The page in Markdown."""
    parts = (_task, _checking, _points, _rules)
    return "\n\n".join("\n".join(part(assignment)) for part in parts) + "\n"


def _task(assignment: Assignment) -> Iterator[str]:
    yield f"# {assignment.title}\n"
    yield "Write these functions with NumPy, so that they compute what Keras computes:\n"
    for layer in assignment.layers:
        names = functions_of(layer, asked_passes(assignment.rubric.items, layer))
        yield f"- {layer}: {listed([f'`{name}`' for name in names])}"
    yield f"\nThe starter file, `{assignment.file}`, has each of them with its signature, what it computes and the shapes. Hand in that"
    yield f"file; if there are more, the one that is judged is called `{assignment.file}`."


def _checking(assignment: Assignment) -> Iterator[str]:
    yield "## Check it yourself\n"
    yield "```"
    yield f"pip install ./{FILE_NAME}"
    yield f"conform check {assignment.file}                # all of it, in seconds"
    yield f"conform check {assignment.file} --layers {assignment.layers[0]}"
    yield f"conform check {assignment.file} --watch        # again whenever you save"
    yield "```\n"
    yield "No TensorFlow is needed: the answers of Keras are in that package. It says what is wrong, in the order in which it is best"
    yield "mended, and shows the simplest case of each mistake. As long as nothing is written it says that nothing could be asked."
    more = " and from more of them, with other numbers and other sizes" if any(item.hidden for item in assignment.rubric.items) else ""
    yield f"Your grade comes from the same questions{more}."


def _points(assignment: Assignment) -> Iterator[str]:
    rubric = assignment.rubric
    yield "## What is counted\n"
    rows = [("item", "points", "counted", "you are told"), *(_row(item) for item in rubric.items)]
    yield from _markdown(rows)
    bonus = sum(item.points for item in rubric.items if item.bonus)
    more = f", and {bonus:g} more as a bonus" if bonus else ""
    yield f"\n{rubric.points:g} points can be earned{more}. An item earns the share of its cases that pass."
    if any(item.required is not None for item in rubric.items):
        yield "A case that needs one of the options named here does not pass where that is not supported; other options cost nothing."
    else:
        yield "A case that needs an option which is not supported does not pass."
    yield "A mistake in one layer is not charged to another one."


def _row(item: Item) -> tuple[str, ...]:
    points = f"{item.points:g}{' (bonus)' if item.bonus else ''}"
    needed = "" if not item.required else f"; needed options: {listed(item.required)}"
    only = "".join(f"; {option} only {listed(values, word='or')}" for option, values in _values(item).items())
    told = TOLD[item.feedback] if item.visibility == VISIBLE else "nothing before the course publishes it"
    return item.title, points, f"{COUNTED[item.level]}{needed}{only}", told


def _values(item: Item) -> dict[str, list[str]]:
    """The options of which an item asks some values alone, and these; not those that it leaves at their default."""
    found = {option: [one for one in patterns if one != "None"] for option, patterns in item.options.items()}
    return {option: values for option, values in found.items() if values}


def _markdown(rows: list[tuple[str, ...]]) -> Iterator[str]:
    heading, *others = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    yield f"| {heading} |"
    yield "|" + " --- |" * len(rows[0])
    yield from (f"| {row} |" for row in others)


def _rules(assignment: Assignment) -> Iterator[str]:
    limits = assignment.rubric.limits
    allowed = [f"`{one}`" for one in dict.fromkeys(["numpy", *limits.packages]) if one not in limits.forbidden]
    yield "## Rules\n"
    yield f"- You may import the standard library, your own files, and {listed(allowed)}."
    if limits.forbidden:
        names = listed([f"`{one}`" for one in limits.forbidden], word="or")
        yield f"- You may not call {names}: write it yourself."
    yield f"- A call may compute for {limits.call:g} s, all calls for {limits.submission:g} s together, the import for {limits.start:g} s."
    yield f"- It may have {limits.memory} MiB of memory, and return at most {limits.reply // MIB} MiB."
    yield "- It runs where nothing can be written, no program started and no network reached. What it prints is not part of an answer."
