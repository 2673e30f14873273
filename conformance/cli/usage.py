"""What ``conform --help`` says, and what is said to a command that there is not: standard library alone."""

from __future__ import annotations

import difflib
import importlib.util

STUDIES = {
    "report": "Write reports/ from the records of a run; trains nothing.",
    "bench": "Time an epoch of training, NumPy beside Keras.",
    "train": "Train the models of the experiments with Keras, resumably.",
    "lockstep": "Train small models with Keras and in NumPy in step, and record how far they part.",
    "gap": "Train the runs that take apart why training from scratch scored below Keras: hours.",
}
"""The commands that a checkout of the project has and an installed package has not, and what each does."""
COMMANDS = {
    "check": "Check a file of your own layers in seconds, against recorded answers of Keras.",
    "compare": "Compare an implementation with Keras on a model and data of your own, layer by layer.",
    "grade": "Grade the submissions of a class in the sandbox: points by a rubric, and a page for each that says why.",
    "assignment": "Write all that an assignment needs: starter file, rubric, page, and what a course's platform takes.",
    "doctor": "Say what works on this machine: versions, TensorFlow, data sets, cores; or what is in a model's file.",
    "record": "Record what live Keras answers to every declared case, and say what has changed.",
    **STUDIES,
}
"""Every command and what it does, in the order in which the help lists them."""
HELP = ("-h", "--help")
VERSION, COMPLETION = "--version", "--show-completion"
OPTIONS = {
    "-h, --help": "Show this message; after a command, that of the command.",
    VERSION: "Print the version.",
    COMPLETION: "Print a script by which bash, zsh or fish complete commands and options.",
}
NEEDS = (
    "conform {command} needs the whole installation (`pip install .` in the project's folder); here only `conform check` and "
    "`conform doctor` run."
)
CHECKOUT = "conform {command} needs a checkout of the project: the installed package has neither its studies nor its reports."
NUMPY = "`conform check` needs NumPy, and numpy is not installed here (`pip install numpy`)."
FRAME = """\
Usage: conform COMMAND [ARGUMENTS]

The conformance suite for Keras layers. A first verdict on layers of your own: conform check my_layers.py
The whole suite runs as `pytest`; `python -m conformance` is this command.

Commands:
{commands}

Commands of a checkout of the project:
{studies}

Options:
{options}"""


def usage() -> str:
    """The help of the command itself."""
    everywhere = {name: text for name, text in COMMANDS.items() if name not in STUDIES}
    return FRAME.format(commands=_listed(everywhere), studies=_listed(STUDIES), options=_listed(OPTIONS))


def has_studies() -> bool:
    """Whether this is a checkout of the project, or an installed package without the studies and their commands."""
    return importlib.util.find_spec("conformance.cli.studies") is not None


def _listed(rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {name:{width}}  {text}" for name, text in rows.items())


def unknown(word: str) -> str:
    """What is said where `word` stands in the place of a command."""
    if word.endswith(".py"):
        return f"There is no command {word}; to check a file: conform check {word}"
    near = difflib.get_close_matches(word, [*COMMANDS, HELP[1], VERSION, COMPLETION], 1)
    hint = f"did you mean {near[0]}?" if near else "`conform --help` lists what there is."
    return f"There is no {'option' if word.startswith('-') else 'command'} {word}; {hint}"
