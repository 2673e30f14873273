"""A class of synthetic submissions, right, wrong, hanging, crashing, flooding and hostile; and how long it takes to grade them.

``python -m conformance.selftests.builders.crowd 200`` grades so many by the default rubric, says how long that took, and keeps it in
``fixtures/runs/grading.json``.
"""

from __future__ import annotations

import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.grading.batch import grade_all
from conformance.grading.grader import Terms
from conformance.grading.intake import find_submissions
from conformance.grading.rubric import default_rubric
from conformance.selftests.builders.place import ROOT
from conformance.selftests.implementations.sandbox.attacks import GROUPS, source
from reference.saving.files import write_document

RECORD = ROOT / "fixtures" / "runs" / "grading.json"
RIGHT = (ROOT / "fixtures" / "submissions" / "right.py").read_text(encoding="utf-8")
NOTHING = "/nowhere"
FAULTS = (
    ("x @ kernel\n    return activate", "x @ kernel.T[:, ::-1].T\n    return activate"),
    ("return activate(activation, z if bias is None else z + bias)\n\n\ndef dense_b", "return activate(activation, z)\n\n\ndef dense_b"),
    ("(needed // 2, needed - needed // 2)", "(needed - needed // 2, needed // 2)"),
    ("-np.inf).max(", "0).max("),
    ("/ windows(np.ones_like(x), *arguments, 0).sum(axis=(3, 4))", "/ (pair(pool_size)[0] * pair(pool_size)[1])"),
    ("i, f, g, o = ", "f, i, g, o = "),
    ("i, f, g, o = ", "i, f, o, g = "),
    ("* activate(activation, c)\n", "* c\n"),
    ("h = np.zeros((len(x), recurrent_kernel.shape[0]), x.dtype)\n    states", "h = np.ones((len(x), 1), x.dtype)\n    states"),
    ("np.tensordot(seen, kernel, 3)", "np.tensordot(seen, kernel[::-1, ::-1], 3)"),
    ("x.reshape(len(x), int", "x.T.reshape(len(x), int"),
    ("embeddings[x.astype(int)]", "embeddings[x.astype(int) - 1]"),
    ("e = np.exp(x - x.max(axis=-1, keepdims=True))", "e = np.exp(x - x.max())"),
    ("return np.stack(states, axis=1) if return_sequences else h", "return np.stack(states, axis=0) if return_sequences else h"),
    ("z = x[:, t] @ kernel", "z = x[:, -1 - t] @ kernel"),
)
"""Mistakes: what stands in the right submission, and what stands there instead."""
ENDLESS = "    while True:\n        pass\n"
ASLEEP = "    import time\n    time.sleep(1e6)\n"
CRASHING = ("    import os\n    os._exit(3)\n", "    import ctypes\n    ctypes.string_at(0)\n", "    raise SystemExit(0)\n")
FLOODS = ("    print('x' * 10**7)\n", "    return np.zeros((10**5, 10**4))\n", "    return [[]] * 10**7\n")
FUNCTIONS = ("dense_forward", "conv2d_forward", "max_pooling2d_forward", "lstm_forward", "simple_rnn_forward", "flatten_forward")
KINDS = {"honest": 8, "faulty": 6, "hanging": 2, "crashing": 1, "flooding": 1, "hostile": 2}
"""What a class is made of, of 20."""


@dataclass(frozen=True)
class Synthetic:
    """A submission, and what it is."""

    name: str
    kind: str
    text: str


def crowd(count: int, seed: int = 0) -> list[Synthetic]:
    """So many submissions, the same for a seed."""
    rng = random.Random(seed)
    order = [kind for kind, share in KINDS.items() for _ in range(share)]
    attacks = iter(sorted((group, name) for group, names in GROUPS.items() for name in names) * count)
    return [_made(number, order[number * 7 % len(order)], rng, attacks) for number in range(count)]


def _made(number: int, kind: str, rng: random.Random, attacks: Iterator[tuple[str, str]]) -> Synthetic:
    if kind == "hostile":
        group, name = next(attacks)
        text = source(group, name, **dict.fromkeys(("VICTIM", "PROJECT", "INSTALLED", "LIBRARY"), NOTHING), POISON="conform-crowd")
        return Synthetic(f"{number:03}-{kind}-{group}", kind, text.replace("def relu(", "def flatten_forward(", 1))
    text = RIGHT
    if kind == "faulty":
        for fault in rng.sample(FAULTS, rng.choice((1, 1, 2))):
            text = text.replace(*fault)
    if kind in ("hanging", "crashing", "flooding"):
        bodies = {"hanging": (ENDLESS, ENDLESS, ASLEEP), "crashing": CRASHING, "flooding": FLOODS}[kind]
        for function in rng.sample(FUNCTIONS, rng.choice((1, 1, 2, len(FUNCTIONS)))):
            text = _with_body(text, function, rng.choice(bodies))
    return Synthetic(f"{number:03}-{kind}", kind, f"# {number}\n{text}")


def _with_body(text: str, function: str, body: str) -> str:
    """The text in which a function does something first."""
    head, _, rest = text.partition(f"def {function}(")
    signature, _, tail = rest.partition("\n")
    return f"{head}def {function}({signature}\n{body}{tail}"


def main(count: int) -> None:
    """Grade so many, and keep what that took."""
    rubric = default_rubric()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "submissions"
        folder.mkdir()
        members = crowd(count)
        for one in members:
            (folder / f"{one.name}.py").write_text(one.text, encoding="utf-8")
        started = time.monotonic()
        results = grade_all(find_submissions(folder), Terms(rubric), Path(home) / "out")
        seconds = time.monotonic() - started
    kinds = {one.name: one.kind for one in members}
    slowest = max(results, key=lambda result: result.timing.computed)
    found = {
        "submissions": count,
        "kinds": dict(sorted(Counter(kinds.values()).items())),
        "rubric": rubric.name,
        "seconds": round(seconds, 1),
        "seconds_a_submission": round(seconds / count, 2),
        "most_computed": round(slowest.timing.computed, 1),
        "longest_of_one_that_hangs": max([round(one.timing.seconds, 1) for one in results if kinds[one.submission] == "hanging"]),
        "statuses": dict(sorted(Counter(f"{kinds[one.submission]}: {one.status}" for one in results).items())),
        "mean_points": {
            kind: round(sum(one.earned for one in results if kinds[one.submission] == kind) / share, 2)
            for kind, share in sorted(Counter(kinds.values()).items())
        },
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    write_document(RECORD, found)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
