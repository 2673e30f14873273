"""Many layers on all cores: each core has a process that asks about a part of them, and hands back the records.

What a report tells of failures needs more than a record: of those that are told, the case is asked once more where the report is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, cast

from conformance.base.record import Record
from conformance.oracle.recorded.vectors import folder, manifest

LEAST = 8
"""Fewer layers are not worth another process, which takes a second to start."""


class PartError(ValueError):
    """A process that asked about some layers ended before it was done: most likely the implementation ended it."""


def worth(layers: Sequence[str]) -> int:
    """How many processes these layers are worth."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, len(layers) // LEAST + 1)


def parted(layers: Sequence[str], parts: int) -> list[list[str]]:
    """The layers in so many parts that take about as long: by what is recorded of their families, the largest first."""
    files = manifest(folder())["files"]
    size = {name: about["bytes"] / len(about["layers"]) for about in files.values() for name in about["layers"]}
    found: list[list[str]] = [[] for _ in range(parts)]
    for name in sorted(layers, key=lambda name: -size[name]):
        min(found, key=lambda part: sum(size[one] for one in part)).append(name)
    return [part for part in found if part]


def records_of_parts(spec: str, layers: Sequence[str], how: dict[str, Any], parts: int) -> list[Record]:
    """The records of all layers, layer by layer; `how` are further arguments of :func:`conformance.check`.

    Raises
    ------
    PartError
        If a process ends before it is done.
    """
    command = [sys.executable, "-P", "-m", "conformance.suite.part"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(one) for one in sys.path)}
    asked = parted(layers, parts)
    with tempfile.TemporaryFile("w+") as said:
        started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=variables, text=True) for _ in asked
        ]
        try:
            for process, part in zip(started, asked, strict=True):
                cast(Any, process.stdin).write(json.dumps([spec, part, how]))
                cast(Any, process.stdin).close()
            replies = [cast(Any, process.stdout).read() for process in started]
            codes = [process.wait() for process in started]
        finally:
            for process in started:
                process.kill()
        said.seek(0)
        words = said.read().strip().splitlines()[-1:]
    if any(codes):
        part = next(part for part, code in zip(asked, codes, strict=True) if code)
        told = f" ({words[0]})" if words else ""
        raise PartError(
            f"a process that asked about {', '.join(part[:3])} ... ended before it was done{told}; "
            f"--mode process makes a crash the result of its case"
        )
    found = [_record(one) for reply in replies for one in json.loads(reply)]
    return sorted(found, key=lambda record: layers.index(record.layer))


def _record(told: dict[str, Any]) -> Record:
    return Record(**{**told, "needs": tuple(told["needs"]), "remarks": tuple(told["remarks"])})
