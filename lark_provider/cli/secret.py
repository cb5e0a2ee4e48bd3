"""Secrets on the command line: from a prompt, a pipe, a variable, or an argument, which `ps` shows."""

from __future__ import annotations

import argparse
import getpass
import os

from lark_provider.cli import terminal
from lark_provider.cli.arguments import WrongUseError
from lark_provider.errors import ConfigurationError

_PROMPT, _VARIABLE = "-", "env:"
WAYS = (
    "Secrets: an argument can be read by every user of the machine. '-' asks for the secret without showing "
    "it (or takes a line of standard input, if it is not a terminal); 'env:NAME' takes it from the variable "
    "NAME."
)


def add_secret(parser: argparse.ArgumentParser, option: str, what: str, default: str) -> None:
    """Add an option for a secret.

    Args:
        parser: The command's parser.
        option: The option, such as `--app-secret`.
        what: What it is, for the help.
        default: What holds without the option, for the help.
    """
    parser.add_argument(option, metavar="SECRET", help=f"{what}; -, env:NAME or the value ({default})")


def read(value: str, what: str) -> str:
    """Return the secret that an option names.

    Args:
        value: The option's value.
        what: What it is, for the prompt and the errors' texts.

    Raises:
        ConfigurationError: It is empty.
    """
    if value == _PROMPT:
        secret = getpass.getpass(f"{what}: ") if terminal.can_ask() else terminal.read_line()
        where = "standard input is empty"
    elif value.startswith(_VARIABLE):
        name = value.removeprefix(_VARIABLE)
        secret, where = os.environ.get(name, ""), f"the variable {name!r} is empty or not set"
    else:
        return value
    if not secret.strip():
        raise ConfigurationError(f"{what} must not be empty: {where}. Next: put the secret there.")
    return secret


def read_or_ask(value: str | None, what: str, option: str) -> str:
    """Return a required secret; without the option, prompt for it on the terminal.

    Raises:
        WrongUseError: There is neither an option nor a terminal.
        ConfigurationError: It is empty.
    """
    if value is None and not terminal.can_ask():
        raise WrongUseError(
            f"{what} is missing, and standard input is not a terminal. Next: pass {option} - and pipe it in, "
            f"or {option} env:NAME."
        )
    return read(_PROMPT if value is None else value, what)
