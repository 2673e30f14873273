"""Small rubrics and submissions for tests."""

from pathlib import Path

from conformance.grading.intake import Submission
from conformance.grading.rubric import Rubric, rubric_of

DENSE = {"id": "dense", "points": 10, "layers": ["Dense"], "passes": ["forward"], "options": {"activation": ["linear", "relu"]}}
FLATTEN = {"id": "flatten", "points": 2, "layers": ["Flatten"], "passes": ["forward"], "options": {"data_format": "channels_last"}}
RIGHT = """
import numpy as np

def dense_forward(x, kernel, bias=None, activation="linear"):
    z = x @ kernel if bias is None else x @ kernel + bias
    return {"linear": z, "relu": np.maximum(z, 0)}[activation]

def flatten_forward(x):
    return x.reshape(len(x), int(np.prod(x.shape[1:])))
"""


def rubric(*items: dict, text: str = "", **others: object) -> Rubric:
    """A rubric of these items; `others` are its other tables."""
    document = {"assignment": {"name": "test"}, "item": list(items), "sandbox": {"call_seconds": 1.0, "lost_seconds": 3.0}}
    return rubric_of({**document, **others}, Path(), text)


def submission(folder: Path, text: str, name: str = "student") -> Submission:
    """A submitted file."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return Submission(name, path)
