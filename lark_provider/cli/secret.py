"""Secrets on the command line: typed unseen, piped, from a variable, or as an argument that `ps` shows."""

from __future__ import annotations

import argparse
import getpass
import os

from lark_provider.cli import stdin
from lark_provider.cli.usage import WrongUseError
from lark_provider.errors import ConfigurationError

_PROMPT, _VARIABLE = "-", "env:"
WAYS = (
    "Secrets: an argument can be read by every user of the machine. '-' asks for the secret without showing "
    "it (or takes a line of standard input, if that is no terminal); 'env:NAME' takes it from the variable "
    "NAME."
)


def add_secret(parser: argparse.ArgumentParser, option: str, what: str, default: str) -> None:
    """Add an option for a secret.

    Args:
        parser: The command's.
        option: Such as `--app-secret`.
        what: What it is.
        default: What is done without the option.
    """
    parser.add_argument(option, metavar="SECRET", help=f"{what}; -, env:NAME or the value ({default})")


def read(given: str, what: str) -> str:
    """Find out a secret.

    Args:
        given: The option's value.
        what: What it is, for the prompt and the errors' texts.

    Raises:
        ConfigurationError: Nothing was typed, piped or set.
    """
    if given == _PROMPT:
        found = getpass.getpass(f"{what}: ") if stdin.is_terminal() else stdin.line()
        where = "standard input is empty"
    elif given.startswith(_VARIABLE):
        name = given.removeprefix(_VARIABLE)
        found, where = os.environ.get(name, ""), f"the variable {name!r} is empty or not set"
    else:
        return given
    if not found.strip():
        raise ConfigurationError(f"{what}: {where}. Next: put the secret there.")
    return found


def read_or_ask(given: str | None, what: str, option: str) -> str:
    """Find out a secret that cannot be left out; without the option a terminal is asked.

    Raises:
        WrongUseError: There is no option, and nobody to ask.
        ConfigurationError: Nothing was typed, piped or set.
    """
    if given is None and not stdin.is_terminal():
        raise WrongUseError(
            f"{what} is missing, and standard input is no terminal. Next: pass {option} - and pipe it in, or "
            f"{option} env:NAME."
        )
    return read(_PROMPT if given is None else given, what)
