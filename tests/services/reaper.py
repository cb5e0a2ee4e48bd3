"""Kill the servers and remove the folders of a process, once it has ended without doing so itself.

pytest-xdist kills a worker that takes long to end, for example after an interrupt. So this runs in a process
of its own, and reads lines: `+ PID` for a server that has started, `- PID` for one that has ended, `= FOLDER`
for a folder. The end of its input is the end of the process that writes it, whatever has ended that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

_END_SECONDS = 30.0


class Reaper:
    """The reaper of this process. A forked child that reports something gets one of its own."""

    def __init__(self) -> None:
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process; None while there is none."""
        return None if self._process is None else self._process.pid

    def note_folder(self, folder: Path) -> None:
        """Report a folder that this process removes when it ends, if it can."""
        self._write(f"= {folder}")

    def note_started(self, pid: int) -> None:
        """Report a server that leads a session."""
        self._write(f"+ {pid}")

    def note_ended(self, pid: int) -> None:
        """Report that a server has ended."""
        self._write(f"- {pid}")

    def close(self) -> None:
        """End it; what was not reported to have ended is killed."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None and self._owner == os.getpid():
            process.stdin.close()
            process.wait(_END_SECONDS)

    def _write(self, line: str) -> None:
        process = self._process
        if process is None or self._owner != os.getpid():
            command = [sys.executable, "-I", "-S", __file__]
            self._owner = os.getpid()
            self._process = process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        assert process.stdin is not None
        process.stdin.write(f"{line}\n".encode())  # unbuffered: lines of several threads are not mixed


def reap(lines: Iterable[str]) -> None:
    """Read lines until they end, then kill what is still running and remove the folders."""
    started: dict[int, str] = {}
    folders: list[str] = []
    for line in lines:
        mark, _, about = line.rstrip("\n").partition(" ")
        if mark == "=":
            folders.append(about)
        elif mark == "+":
            started[int(about)] = _read_start(int(about))
        else:
            started.pop(int(about), None)
    for pid, moment in started.items():
        if moment and moment == _read_start(pid):  # else another process has the id
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _read_start(pid: int) -> str:
    """Return when a process was started; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def main(lines: IO[str]) -> None:
    """Reap; an interrupt from the keyboard is for the process that writes the lines."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reap(lines)


if __name__ == "__main__":
    main(sys.stdin)
