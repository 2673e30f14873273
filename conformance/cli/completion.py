"""``conform --show-completion``: a script by which bash, zsh or fish complete commands and their options.

The script is plain text, so that no Python starts while somebody types. A command has the options that its help names in this
installation; what is no option completes as a file.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from conformance.cli.usage import COMMANDS, COMPLETION, HELP, VERSION

SHELLS = ("bash", "zsh", "fish")
TOP = (HELP[1], VERSION, COMPLETION)
BASH = """\
_conform() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{top}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _conform conform"""
ZSH = "autoload -Uz compinit bashcompinit\n(( $+functions[compdef] )) || compinit\nbashcompinit\n"
FISH_FIRST = "complete -c conform -n __fish_use_subcommand"
FISH_AFTER = "complete -c conform -n '__fish_seen_subcommand_from {command}' -l {option}"


def show(arguments: Sequence[str], run: Callable[[Sequence[str]], None], commands: Iterable[str]) -> int:
    """Print the script for the shell that is named, or for the one that the user has; returns the exit code.

    Parameters
    ----------
    arguments : sequence of str
        The name of a shell, or nothing.
    run : callable
        Runs ``conform`` with such arguments, to be asked for the help of each command.
    commands : iterable of str
        Those that this installation can run.
    """
    shell = arguments[0] if arguments else os.path.basename(os.environ.get("SHELL", ""))
    if shell not in SHELLS or len(arguments) > 1:
        print(f'{COMPLETION} takes one of {", ".join(SHELLS)}, as in: eval "$(conform {COMPLETION} bash)"', file=sys.stderr)
        return 2
    print(script(shell, {command: options_of(command, run) for command in commands}))
    return 0


def options_of(command: str, run: Callable[[Sequence[str]], None]) -> list[str]:
    """The long options of a command, from its help."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        run([command, HELP[1]])
    return sorted(set(re.findall(r"^  (?:-\w, )?(--[a-z][a-z-]*)", said.getvalue(), re.MULTILINE)))


def script(shell: str, options: Mapping[str, Sequence[str]]) -> str:
    """The script of a shell: `options` holds those of each command."""
    if shell == "fish":
        return "\n".join(_fish(options))
    cases = "\n".join(f'            {command}) words="{" ".join(own)}" ;;' for command, own in options.items())
    return (ZSH if shell == "zsh" else "") + BASH.format(top=" ".join([*options, *TOP]), cases=cases)


def _fish(options: Mapping[str, Sequence[str]]) -> list[str]:
    lines = [f'{FISH_FIRST} -f -a {command} -d "{COMMANDS[command]}"' for command in options]
    lines += [f"{FISH_FIRST} -l {option.removeprefix('--')}" for option in TOP]
    of_commands = [(command, option.removeprefix("--")) for command, own in options.items() for option in own]
    return lines + [FISH_AFTER.format(command=command, option=option) for command, option in of_commands]
