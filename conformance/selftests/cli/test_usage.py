"""Help, version and completion: the same in every kind of installation."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from conformance import __version__
from conformance.cli import main
from conformance.cli.app import app
from conformance.cli.completion import script
from conformance.cli.usage import COMMANDS
from conformance.selftests.builders.place import HIDING, Place, said

FOR_CHECK_ALONE = {"keras", "tensorflow", "h5py", "hypothesis", "sklearn", "scipy", "tabulate", "tqdm", "typer", "click", "pooch", "pytest"}
NOTHING = {*FOR_CHECK_ALONE, "numpy", "safetensors"}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def conform(place, *arguments):
    return place.python("-m", "conformance", *arguments)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []], ids=["--help", "-h", "nothing"])
def test_the_help_is_the_same_without_any_package(place, arguments):
    whole = conform(place, *arguments)
    place.customize(HIDING.format(hidden=NOTHING))
    little = conform(place, *arguments)
    assert little.returncode == whole.returncode == 0, f"help is not a mistake: {said(little)[-2000:]}"
    assert little.stdout == whole.stdout, "what it says does not depend on what is installed"
    listed = re.findall(r"^  ([a-z]+)  ", little.stdout, re.MULTILINE)
    assert listed == list(COMMANDS) and listed[0] == "check", f"every command, and check first: {listed}"


def test_the_version_needs_no_package(place):
    place.customize(HIDING.format(hidden=NOTHING))
    result = conform(place, "--version")
    assert (result.returncode, said(result)) == (0, f"keras-conformance {__version__}\n"), "name and version, and nothing else"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_check_explains_itself_where_it_runs(place, option):
    place.customize(HIDING.format(hidden=FOR_CHECK_ALONE))
    result = conform(place, "check", option)
    assert result.returncode == 0 and "--layers" in result.stdout, said(result)[-2000:]


def test_what_needs_more_says_so(place):
    place.customize(HIDING.format(hidden=FOR_CHECK_ALONE))
    result = conform(place, "report", "--help")
    assert (result.returncode, result.stdout) == (2, ""), said(result)[-2000:]
    assert result.stderr.startswith("conform report needs the whole installation"), result.stderr


@pytest.mark.parametrize("hidden", [FOR_CHECK_ALONE, NOTHING], ids=["all but NumPy", "everything"])
def test_doctor_runs_where_something_is_missing(place, hidden):
    """That is where it is called."""
    place.customize(HIDING.format(hidden=hidden))
    result = conform(place, "doctor")
    assert result.returncode == 0 and not result.stderr, said(result)[-2000:]
    assert f"keras-conformance {__version__}" in result.stdout and "oracle: " in result.stdout, result.stdout


def test_a_missing_numpy_is_one_sentence(place):
    place.customize(HIDING.format(hidden=NOTHING))
    result = conform(place, "check", "my_layers.py")
    assert result.returncode == 2 and "needs NumPy, and numpy is not installed" in result.stderr, said(result)[-2000:]
    assert "Traceback" not in said(result), "and no traceback"
    assert conform(place, "--show-completion", "bash").returncode == 0, "completion has the commands all the same"


def test_the_listed_commands_are_those_that_there_are():
    there = {"check", "doctor", *(command.name for command in app.registered_commands)}
    assert there == set(COMMANDS), "a command has a line of the help, and a line of the help a command"


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command, option, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, option])
    assert ended.value.code == 0, f"conform {command} {option} is not a mistake"
    assert f"conform {command} [" in capsys.readouterr().out, "and shows how the command is called"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("chekc", "There is no command chekc; did you mean check?"),
        ("my_layers.py", "There is no command my_layers.py; to check a file: conform check my_layers.py"),
        ("--verson", "There is no option --verson; did you mean --version?"),
        ("quux", "There is no command quux; `conform --help` lists what there is."),
    ],
)
def test_what_there_is_not_ends_with_2_and_a_hint(word, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        main([word])
    assert (ended.value.code, capsys.readouterr().err) == (2, f"{sentence}\n")


# Completion

TYPED = """
{script}
COMP_WORDS=({words})
COMP_CWORD=$(({count} - 1))
_conform
echo "${{COMPREPLY[@]}}"
"""
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


def completed(text, *words):
    """What bash offers for the last of these words, by this script."""
    program = TYPED.format(script=text, words=" ".join(repr(word) for word in words), count=len(words))
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()


@bash
@pytest.mark.parametrize("hidden", [set(), FOR_CHECK_ALONE], ids=["whole", "for check alone"])
def test_bash_completes_commands_and_options(place, hidden):
    place.customize(HIDING.format(hidden=hidden))
    printed = conform(place, "--show-completion", "bash")
    assert printed.returncode == 0, said(printed)[-2000:]
    assert completed(printed.stdout, "conform", "ch") == ["check"], "a command"
    assert completed(printed.stdout, "conform", "check", "--la") == ["--layers"], "an option of it"
    assert completed(printed.stdout, "conform", "--v") == ["--version"], "an option of conform itself"
    assert completed(printed.stdout, "conform", "compare", "--i") == ([] if hidden else ["--iut"]), "what cannot run is not offered"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    text = script(shell, dict.fromkeys(COMMANDS, ("--help", "--list")))
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{shell} does not understand its script: {done.stderr}"


def test_a_shell_that_is_not_known_is_refused(place):
    for arguments, variables in ((["tcsh"], {}), ([], {"SHELL": "/bin/tcsh"})):
        result = place.python("-m", "conformance", "--show-completion", *arguments, **variables)
        assert result.returncode == 2 and "takes one of bash, zsh, fish" in result.stderr, said(result)
    assert place.python("-m", "conformance", "--show-completion", SHELL="/usr/bin/fish").stdout.startswith("complete -c conform")
