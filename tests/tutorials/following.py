"""A reader who follows a page word by word: types its commands, and compares what is printed."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.processes import alive, tree

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "en"
READY = {
    "lark-provider emulator": r"LARK_APP_SECRET=.*\n",
    "lark-provider callbacks listen": r"Long connection opened",
    "airflow standalone": r"Airflow is ready",
}
"""Commands that run until they are stopped, and what each prints when it can be used."""

_SECONDS = 600.0
_BLOCK = re.compile(r"^(#+) ([^\n]+)$|^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TYPED = re.compile(r"^\$ (.*(?:\n> .*)*)$", re.MULTILINE)
_MS = re.compile(r" +\d+\.\d ms")


@dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Attributes:
        section: The heading above it.
        language: `sh` is typed, `console` is typed and compared; others are looked at.
        code: Its text.
    """

    section: str
    language: str
    code: str


def state(port: int) -> dict[str, Any]:
    """Return what a local Lark on a port holds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_emulator/state", timeout=30) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of code of a page, in their order."""
    section = ""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        if match[1]:
            section = match[2]
        else:
            yield Block(section, match[3], match[4])


class Terminal:
    """A shell that stays open, as a reader's does.

    Args:
        folder: Where it opens.
        env: Its environment.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],  # noqa: S607 - wherever it is
            cwd=folder,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._marks = 0

    def type_command(self, command: str, answer: str = "") -> tuple[int, str]:
        """Type a command; return its exit code and what it printed.

        Args:
            command: One or more lines.
            answer: What is typed when it asks.
        """
        self._marks += 1
        mark = f"--- {self._marks} ended with "
        self._send(f"{{ {command}\n}}\n{answer}printf '\\n{mark}%s\\n' $?\n")
        printed = self._read_to(re.compile(rf"\n{re.escape(mark)}(\d+)\n"))
        text, _, code = printed.rpartition(mark)
        return int(code), text.removesuffix("\n")

    def start(self, command: str, wanted: str) -> str:
        """Type a command that does not end, and wait until it has printed what matches a pattern."""
        self._send(command + "\n")
        return self._read_to(re.compile(wanted))

    def close(self) -> None:
        """End what runs in it, and the shell."""
        pids = set(tree(self._process.pid))
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        until = time.monotonic() + 10
        while any(map(alive, pids)) and time.monotonic() < until:
            time.sleep(0.05)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _read_to(self, pattern: re.Pattern[str]) -> str:
        assert self._process.stdout is not None
        until, read = time.monotonic() + _SECONDS, b""
        while not pattern.search(read.decode(errors="replace")):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert more, f"no {pattern.pattern!r} in:\n{read.decode(errors='replace')}"
            read += more
        return read.decode(errors="replace")


class Reader:
    """Follows a page, in a folder that is empty at first.

    Args:
        page: The page.
        folder: The folder.
        env: The environment of its terminals.
        changes: What the reader's place needs instead of the page's own words, such as a free port.
    """

    def __init__(self, page: Path, folder: Path, env: Mapping[str, str], changes: Mapping[str, str]) -> None:
        self._page, self._folder, self._env, self._changes = page, folder, env, changes
        self._terminals = [Terminal(folder, env)]
        self.answers: dict[str, str] = {}
        """What is typed when a command asks, by the command's beginning."""
        self.printed: dict[str, str] = {}
        """What each service has printed until it could be used."""

    def sections(self) -> Iterator[tuple[str, list[Block]]]:
        """Yield the sections with blocks; the caller does what their text says."""
        by_section: dict[str, list[Block]] = {}
        for block in blocks(self._page):
            by_section.setdefault(block.section, []).append(block)
        yield from by_section.items()

    def follow(self, block: Block) -> None:
        """Type what a block shows, and compare what it shows to be printed."""
        if block.language == "sh":
            self.type_commands(block.code)
        elif block.language == "console":
            self._compare(block)

    def close(self) -> None:
        """Close all terminals, the last first."""
        for terminal in reversed(self._terminals):
            terminal.close()

    def type_commands(self, code: str) -> None:
        """Type commands that must succeed."""
        *before, last = code.rstrip("\n").split("\n")
        if last in READY:
            self._serve("\n".join(before), last)
            return
        answer = next((text for start, text in self.answers.items() if start in code), "")
        ended, printed = self._terminals[0].type_command(self._own(code), answer)
        assert ended == 0, f"{self._page.name}, {code}\n{printed[-6000:]}"

    def _compare(self, block: Block) -> None:
        typed = [text.replace("\n> ", "\n") for text in _TYPED.findall(block.code)]
        shown = [text.strip("\n") for text in _TYPED.split(block.code)[2::2]]
        for command, wanted in zip(typed, shown, strict=True):
            _, printed = self._terminals[0].type_command(self._own(command))
            said = self._theirs(printed).strip("\n")
            assert re.fullmatch(pattern(wanted), _MS.sub(" … ms", said)), (
                f"{self._page.name}: {command}\n{said}\n--- is not\n{wanted}"
            )

    def _serve(self, before: str, command: str) -> None:
        terminal = Terminal(self._folder, self._env)
        self._terminals.append(terminal)
        ended, printed = terminal.type_command(self._own(before))
        assert ended == 0, printed
        self.printed[command] = terminal.start(self._own(command), READY[command])

    def _own(self, text: str) -> str:
        for theirs, mine in self._changes.items():
            text = text.replace(theirs, mine)
        return text

    def _theirs(self, text: str) -> str:
        for theirs, mine in self._changes.items():
            text = text.replace(mine, theirs)
        return text


def pattern(shown: str) -> str:
    """Return the pattern of what a page shows: `…` in a line is any text, a line of `…` any lines."""
    lines = []
    for line in _MS.sub(" … ms", shown).split("\n"):
        parts = ("[^\\n]*?" if part == "…" else re.escape(part) for part in re.split("(…)", line))
        lines.append("(?s:.*)" if line == "…" else "".join(parts))
    return "\n".join(lines)
