"""The options of the command, each also as a variable: `--allow-host` is `LARK_EMULATOR_ALLOW_HOST`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "LARK_EMULATOR_"
DEFAULT_PORT = 8765
_LAST_PORT = 65535
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `lark-emulator` to a parser, so that other command lines can offer it as well.

    Args:
        parser: `apply` completes what it parses.
    """
    add_place(parser)
    for name, metavar, about in (
        ("--allow-host", "NAME", "a further name in the Host header that is served; again for more"),
        ("--set", "NAME=VALUE", "a setting, such as token_life=60; again for more"),
    ):
        _add(parser, name, action="append", metavar=metavar, help=about)
    for name, metavar, about in (
        ("--seed", "FILE", "apps, people, chats, bases and more to start with (TOML or JSON)"),
        ("--data", "DIR", "keep the state in this folder from one start to the next"),
        ("--stubs", "FILE", "answers to give, as `lark-emulator record` writes them"),
        ("--authority", "DIR", "the folder of the authority for TLS (default: below your own data)"),
    ):
        _add(parser, name, type=Path, metavar=metavar, help=about)
    for name, about in (
        ("--fallback-answers", "answer what is not emulated in the right shape, instead of 501"),
        ("--tls", "listen with TLS, signed by an authority of its own"),
        ("--proxy", "be a forward proxy (HTTPS_PROXY) that answers for Lark's own hosts"),
        ("--proxy-passthrough", "let the proxy pass other hosts through, instead of 403"),
    ):
        _add(parser, name, action="store_true", help=about)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where to listen; those of a command before it hold unless it has its own."""
    _add(parser, "--host", help="address to listen on (default: 127.0.0.1, loopback only)")
    _add(
        parser,
        "--port",
        type=_parse_port,
        help=f"port to listen on; 0 takes a free one (default: {DEFAULT_PORT})",
    )


def _add(parser: argparse.ArgumentParser, name: str, **how: Any) -> None:
    # What is not given is left out, so that a variable can say it.
    parser.add_argument(name, default=argparse.SUPPRESS, **how)


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to {_LAST_PORT}")
    return int(text)


def _parse_flag(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise argparse.ArgumentTypeError(f"{text!r} must be one of {', '.join((*_YES, *_NO))}")
    return text.lower() in _YES


def _parse_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


#: How the variable of each option is read, and what holds without it.
_OPTIONS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "host": (str, "127.0.0.1"),
    "port": (_parse_port, DEFAULT_PORT),
    "allow_host": (_parse_list, []),
    "seed": (Path, None),
    "data": (Path, None),
    "stubs": (Path, None),
    "set": (_parse_list, []),
    "fallback_answers": (_parse_flag, False),
    "tls": (_parse_flag, False),
    "proxy": (_parse_flag, False),
    "proxy_passthrough": (_parse_flag, False),
    "authority": (Path, None),
    "to": (Path, None),
    "upstream": (str, "https://open.feishu.cn"),
}


def apply(arguments: argparse.Namespace) -> argparse.Namespace:
    """Fill in what was not given on the command line: from the variables, else the defaults.

    Raises:
        ValueError: a variable has a wrong value; the text names it.
    """
    for name, (read, default) in _OPTIONS.items():
        if getattr(arguments, name, None) is not None:
            continue
        variable = PREFIX + name.upper()
        text = os.environ.get(variable)
        try:
            setattr(arguments, name, read(text) if text else default)  # an empty variable is none
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"{variable}: {error}. Next: correct it, or unset it") from None
    return arguments
