"""A check in several processes: the same report as in one, and what becomes of one that ends."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import conformance
from conformance.cases import NAMES
from conformance.suite.parts import LEAST, PartError, parted, worth

LAYERS = ["relu", "tanh", "sigmoid", "softplus", "softsign", "elu", "selu", "silu", "Dense"]
TEXT = """
import numpy as np
from reference import *
relu_right = relu
def relu(x, **options): return -relu_right(x, **options)
def tanh(x): raise OSError("lost")
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(TEXT)
    return str(path)


def test_several_processes_report_what_one_does(mine: str) -> None:
    one, several = (conformance.check(mine, LAYERS, workers=workers) for workers in (1, 2))
    assert several.records == one.records, "the records are the same, in the same order"
    texts = [re.sub(r" in [\d.]+ s\.", ".", report.text(every=True)) for report in (one, several)]
    assert texts[0] == texts[1], "and so is what is told of failures, of which each case is asked once more"
    assert "relu" in texts[1] and "OSError: lost" in texts[1], "which names them"


def test_a_process_that_ends_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TEXT + 'import os\ndef dense_forward(*_, **__): os.write(2, b"no memory\\n"); os._exit(3)\n')
    with pytest.raises(PartError, match=r"ended before it was done \(no memory\); --mode process"):
        conformance.check(str(path), LAYERS, workers=2)


def test_layers_are_parted_without_loss_and_few_stay_together() -> None:
    parts = parted(NAMES, 3)
    assert Counter(name for part in parts for name in part) == Counter(NAMES), "each layer is in one part"
    assert len(parts) == 3 and all(len(part) > 1 for part in parts), f"and all parts have some: {parts}"
    assert worth(NAMES[: LEAST - 1]) == 1, "a few layers are quicker in one process"
