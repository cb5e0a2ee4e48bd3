"""Servers that the tests start themselves: unprivileged, in a folder of their own, ended by their pids.

pytest-postgresql and pytest-rabbitmq do not replace this: they start nothing as root (pg_ctl refuses), and
cannot kill, freeze and restart a server; testcontainers needs Docker.
"""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Self, TypedDict

from tests.services.reaper import Reaper

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_ENDED = ("X", "Z")
_PAUSED = ("T", "t", *_ENDED)
_PORTS = range(15000, 32000)  # below the ports that Linux hands out, or a stopped server's may be taken
_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108 - with `mkdtemp`
_given: set[int] = set()
_reaper = Reaper()
_clean_ups = ExitStack()
atexit.register(_reaper.close)  # after the clean-ups, since the last that is registered is the first to run
atexit.register(_clean_ups.close)


def at_exit(clean_up: Callable[[], object]) -> None:
    """Clean up when this process ends, unless by SIGKILL. A forked child leaves it to its parent."""
    owner = os.getpid()

    def clean_up_ours() -> None:
        if os.getpid() == owner:
            clean_up()

    _clean_ups.callback(clean_up_ours)


def clean_up_now() -> None:
    """Clean up at once, the last first: pytest-xdist kills a worker whose process takes 10 s to end."""
    _clean_ups.close()


def end_on_sigterm() -> None:
    """End this process on SIGTERM with all clean-up, as on an interrupt: no server is left running."""

    def terminate(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, terminate)


def free_port() -> int:
    """Return a port of the loopback address on which nothing listens, and another one each time."""
    while True:
        port = secrets.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            _given.add(port)
            return port


def listens(port: int) -> bool:
    """Return whether a server accepts connections at a port of the loopback address."""
    with suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


def find_unprivileged(preferred: str) -> str | None:
    """Return the user to start servers as, since most refuse to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return preferred if preferred in known else "nobody"


def private_folder(name: str, user: str | None) -> Path:
    """Make a folder that only the user can read; it is removed at the latest when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"lark-tests-{name}-", dir=_find_memory()))
    if user is not None:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    at_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
    _reaper.note_folder(folder)
    return folder


def _find_memory() -> Path | None:
    """Return a file system in memory: a server that is killed loses nothing, and none waits for the disk."""
    with suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
            return _MEMORY
    return None


def give(folder: Path, files: Mapping[str, str], user: str | None) -> None:
    """Write files that only the user can read, for example a server's key."""
    for name, text in files.items():
        file = folder / name
        file.touch(0o600)
        file.write_text(text)
        if user is not None:
            shutil.chown(file, user, pwd.getpwnam(user).pw_gid)


class _User(TypedDict):
    user: str | None
    group: int | None
    extra_groups: tuple[int, ...] | None


def as_user(user: str | None) -> _User:
    if user is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": ()}


def run(
    command: Sequence[str | Path],
    *,
    user: str | None = None,
    environ: Mapping[str, str] = {},
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without input; return its exit code and its output.

    Args:
        command: The program and its arguments.
        user: The user to run it as; None for the own one.
        environ: Added to the own environment.
        seconds: How long it may take; None for no limit.
    """
    return subprocess.run(  # noqa: S603 - fixed commands
        command,
        **as_user(user),
        cwd="/",
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def run_as(user: str | None, command: Sequence[str | Path]) -> None:
    """Run a command as a user.

    Raises:
        RuntimeError: It failed; the output is in the text.
    """
    done = run(command, user=user)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def tree(pid: int) -> list[int]:
    """Return a process and its descendants, parents first, without those that have ended."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        state, parent = _state(int(folder.name))
        if state not in _ENDED:
            children[parent].append(int(folder.name))
    pids = [pid]
    for process in pids:
        pids += children[process]
    return pids


def descendants() -> list[int]:
    """Return what this process has started and still runs, with what that has started, without the reaper."""
    return [pid for pid in tree(os.getpid())[1:] if pid != _reaper.pid]


def alive(pid: int) -> bool:
    """Return whether a process runs, or could run again."""
    return _state(pid)[0] not in _ENDED


def _state(pid: int) -> tuple[str, int]:
    """Return the state of a process as one letter (Z for a zombie), and its parent."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return "X", 0
    return state, int(parent)


class OwnServer(ABC):
    """A server process with a folder, a log and a port of its own.

    Starting again after `stop` or `kill` uses the same folder and port.
    """

    name: str

    def __init__(self, folder: Path, port: int, user: str | None) -> None:
        self.folder = folder
        self.port = port
        self.user = user
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        at_exit(self.close)

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the command that runs the server in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """Return whether it serves clients."""

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the server; only PATH is inherited."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    @property
    def pid(self) -> int:
        """Return the id of the server's first process."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} must be running, got no process. Next: start it.")
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait until it serves."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} must not be running, got a process. Next: stop it.")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed command
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **as_user(self.user),
                start_new_session=True,  # an interrupt from the keyboard is for pytest alone
            )
        _reaper.note_started(self._process.pid)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
            if self._process.returncode is not None or time.monotonic() > deadline:
                self._kill_if_running()
                raise RuntimeError(f"{self.name} did not start. Its log ends:\n{self.log_end()}")
        return self

    def log_end(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-3000:]

    def end(self, number: signal.Signals) -> None:
        """Ask the server by a signal to end, and wait until it has."""
        os.kill(self.pid, number)
        self._wait_until_gone(STOP_SECONDS)

    def kill(self) -> None:
        """End all processes of the server at once, as a power cut would."""
        self.pause()
        doomed = self._signal_all(signal.SIGKILL)
        self._wait_until_gone(STOP_SECONDS)
        while any(alive(process) for process in doomed):
            time.sleep(0.001)  # orphans are not ours to wait for

    def pause(self) -> None:
        """Freeze all processes of the server: connections stay, and nothing answers."""
        # A process may start another one until it is stopped, which is a moment after the signal.
        while running := [process for process in tree(self.pid) if _state(process)[0] not in _PAUSED]:
            for process in running:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGSTOP)
            time.sleep(0.001)

    def resume(self) -> None:
        """Resume all processes after `pause`."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server if it runs, and remove its folder."""
        self._kill_if_running()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_if_running(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._process = None

    def _signal_all(self, number: signal.Signals) -> list[int]:
        processes = tree(self.pid)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        return processes

    def _wait_until_gone(self, seconds: float) -> None:
        assert self._process is not None
        self._process.wait(seconds)
        _reaper.note_ended(self._process.pid)
        self._process = None
