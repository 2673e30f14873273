"""``python -m conformance.suite.part``: the records of some layers, as JSON, for :mod:`conformance.suite.parts`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from conformance.implementations.launcher import end_with
from conformance.suite.check import records_of


def main() -> None:
    """Answer the one request that comes from the standard input; whatever the implementation prints goes nowhere."""
    end_with(os.getppid())
    reply = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    spec, layers, how = json.loads(sys.stdin.read())
    reply.write(json.dumps([asdict(record) for record in records_of(spec, layers, **how)]))
    reply.flush()


if __name__ == "__main__":
    main()
