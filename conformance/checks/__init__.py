"""What is asked of an implementation: one kind of question a file.

Each has ``cases(layers, profile)``, which gives the questions about these layers as (id, arguments), ``level_of(*arguments)``, which says
whether one of them is of the core or of the edge, and ``check(runner, *arguments)``, which puts it and settles its record. The tests of
:mod:`conformance.suite` and ``conform check`` are thin over them.
"""

from __future__ import annotations

from types import ModuleType

from conformance.checks import backward, drawn, dropout, forward, loss, mask, optimizer, properties, repeated, stateful, text

KINDS: dict[str, ModuleType] = {
    kind.__name__.rpartition(".")[2]: kind
    for kind in (forward, backward, mask, stateful, text, loss, optimizer, dropout, properties, repeated, drawn)
}
"""All of them by name; :data:`conformance.suite.KINDS` has whole models as well."""
