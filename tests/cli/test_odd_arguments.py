"""Whatever a shell passes to a command: an answer, a refusal, and no traceback."""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider.cli.__main__ import make_parser
from lark_provider.cli.output import print_json
from tests.cli.conftest import Run

SERVERS = {"demo", "emulator", "run", "gateway", "pump", "websocket", "bridge", "verify-live", "listen"}
"""Commands that do not end."""
ODD = [
    "x", "", "-1", "0", "5", "9" * 20, "nan", "1e9", "1h", "💥", "\udce4", "/none", "{", "[1]", "oc_1", "a=b",
]  # fmt: skip
TIMES = 12


def list_commands(
    part: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield each command that has no subcommands, with the words that select it."""
    groups = [action for action in part._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for name, command in group.choices.items():
            yield from list_commands(command, (*path, name))
    if not groups:
        yield path, part


COMMANDS = {
    " ".join(path): command for path, command in list_commands(make_parser()) if not SERVERS & set(path)
}


def make_arguments(command: argparse.ArgumentParser, chance: random.Random) -> Iterator[str]:
    """Yield odd values for a command's positional arguments and for some of its options."""
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        values = [*map(str, action.choices)] if action.choices and chance.random() < 0.8 else ODD
        if not action.option_strings:
            if action.nargs not in ("*", "?") or chance.random() < 0.7:
                yield chance.choice(values)
        elif action.required or chance.random() < 0.3:
            yield action.option_strings[-1]
            if action.nargs != 0:
                yield chance.choice(values)


@pytest.mark.parametrize("command", COMMANDS)
def test_odd_arguments_end_in_no_traceback(
    run: Run, lark: Emulator, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(sys.stderr, io.TextIOWrapper)
    sys.stderr.reconfigure(errors="backslashreplace")  # as it is in a process
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")
    for seed in range(TIMES):
        words = [*command.split(), *make_arguments(COMMANDS[command], random.Random(seed))]  # noqa: S311 - of a test
        done = run(*words)
        assert done.code in {0, 1, 2}, words
        assert "Traceback" not in done.err, words


def test_the_name_of_a_file_in_gbk_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"file": "\udcb6\udca9.csv", "more": [("\udcb6", 1)]})
    assert json.loads(capsys.readouterr().out) == {"file": "\\udcb6\\udca9.csv", "more": [["\\udcb6", 1]]}
