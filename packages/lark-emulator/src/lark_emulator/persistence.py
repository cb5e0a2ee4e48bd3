"""The state of an emulator kept in a folder: saved while it runs, and loaded at the next start.

The tenant, the tokens, the settings that were changed, the stubs and the place of the clock are kept. The
request log, clicks, planned failures and what was on its way (events, late requests) are not.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import pickle
import signal
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from contextlib import suppress
from dataclasses import fields
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from importlib.resources import files
from time import sleep
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from lark_emulator import __version__
from lark_emulator.clock import Clock
from lark_emulator.exchange import Request
from lark_emulator.extras import require_cryptography
from lark_emulator.limits import Windows
from lark_emulator.routing import Actor
from lark_emulator.settings import Settings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from lark_emulator.lark import Lark

STATE_FILE, LOCK_FILE = "state", "lock"
SAVE_EVERY_S = 2.0
_LOCK_PAUSE_S = 0.05
#: Of the tenant, what is made again at each start.
_NOT_KEPT = ("announce", "clock", "page_plans", "sheet_plans", "ticket_issued", "waiting_tokens")
_MAGIC = b"lark-emulator state "
#: What only the running emulator needs: handlers at work, and requests that hold a table.
_PASSING = (Actor, Request, FunctionType, MethodType, BuiltinFunctionType)
#: Of other packages, the only classes that a state may hold: the file could come from anywhere.
_PLAIN: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
    ("collections", "deque"): deque,
    ("collections", "Counter"): Counter,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    **{
        ("datetime", date_type.__name__): date_type
        for date_type in (date, datetime, time, timedelta, timezone)
    },
}


@cache
def compute_fingerprint() -> str:
    """Return what tells this emulator's form of the state from that of any other version."""
    digest = hashlib.sha256()
    for part in sorted(files("lark_emulator").joinpath("world").iterdir(), key=lambda path: path.name):
        if part.name.endswith(".py"):
            digest.update(part.read_bytes())
    return digest.hexdigest()[:16]


def _restore_nothing() -> None:
    """Represent in a file what is not kept."""


def _restore_clock() -> None:
    """Represent the emulator's clock in a file."""


def _restore_windows() -> None:
    """Represent limits in a file; they are counted from zero again."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Clock):
            return _restore_clock, ()
        if isinstance(value, Windows):
            return _restore_windows, ()
        if value is _restore_clock or value is _restore_windows or value is _restore_nothing:
            return NotImplemented
        # A plain `object()` marks a table that is held.
        return (
            (_restore_nothing, ()) if isinstance(value, _PASSING) or type(value) is object else NotImplemented
        )


class _Unpickler(pickle.Unpickler):
    """Makes nothing but what a state of the emulator consists of."""

    def __init__(self, content: bytes, clock: Clock) -> None:
        super().__init__(io.BytesIO(content))
        self._special: dict[str, Callable[[], Any]] = {
            "_restore_nothing": lambda: None,
            "_restore_clock": lambda: clock,
            "_restore_windows": lambda: Windows(clock),
        }

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name in self._special:
            return self._special[name]
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if module.startswith("lark_emulator.") and "." not in name:
            candidate = super().find_class(module, name)
            if isinstance(candidate, type) and candidate.__module__ == module:
                return candidate
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state")


def pack(lark: Lark) -> bytes:
    """Return the state of an emulator."""
    initial = lark.make_initial_settings()
    world = {name: value for name, value in vars(lark.world).items() if name not in _NOT_KEPT}
    state = {
        "world": world,
        "tokens": vars(lark.tokens) | {"_settings": None},
        "settings": {
            setting.name: getattr(lark.settings, setting.name)
            for setting in fields(Settings)
            if getattr(lark.settings, setting.name) != getattr(initial, setting.name)
        },
        "stubs": lark.stubs,
        "ahead": lark.clock.ahead,
    }
    into = io.BytesIO()
    _Pickler(into, pickle.HIGHEST_PROTOCOL).dump(state)
    content = into.getvalue()
    checksum = hashlib.sha256(content).hexdigest()
    return _MAGIC + f"{__version__} {compute_fingerprint()} {checksum}\n".encode() + content


def unpack(lark: Lark, content: bytes, name: str) -> None:
    """Put a state into an emulator, in the place of what it holds.

    Args:
        lark: The emulator whose state is replaced.
        content: The packed state, as `pack` returned it.
        name: The name of the file, for error messages.

    Raises:
        MissingExtraError: an app of it has an Encrypt Key, and what encrypts is not installed.
        ValueError: it is not a state, of another version, or damaged.
    """
    head, _, body = content.partition(b"\n")
    words = head.decode("latin-1").split()
    if not content.startswith(_MAGIC) or len(words) != len(("lark-emulator", "state", "0", "f", "sum")):
        raise ValueError(f"{name} is not a state of lark-emulator. Next: give another folder as --data")
    if words[2:4] != [__version__, compute_fingerprint()]:
        other = words[2] if words[2] != __version__ else f"another build of {words[2]}"
        raise ValueError(
            f"{name} was written by lark-emulator {other}, and this is {__version__}. Next: start that "
            "version, or give another folder as --data"
        )
    if hashlib.sha256(body).hexdigest() != words[4]:
        raise ValueError(f"{name} is damaged. Next: delete it, or give another folder as --data")
    lark.reset()
    try:
        state = _Unpickler(body, lark.clock).load()
        lark.clock.advance(state["ahead"])
        vars(lark.world).update(state["world"])
        vars(lark.tokens).update(state["tokens"] | {"_settings": lark.settings})
        lark.settings.change(state["settings"])
    except (pickle.UnpicklingError, ValueError, KeyError, AttributeError, TypeError, EOFError) as error:
        lark.reset()
        raise ValueError(
            f"{name} cannot be read: {error}. Next: delete it, or give another folder as --data"
        ) from None
    if any(app.subscription and app.subscription.encrypt_key for app in lark.world.apps.values()):
        require_cryptography(f"{name} has an app with an Encrypt Key, which")
    lark.stubs = state["stubs"]
    lark.connect()
    lark.world.resume()


def _is_alive(pid: bytes) -> bool:
    """Return whether a process runs, by the content of its lock."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


class Persister:
    """Keeps the state of an emulator in a folder.

    Args:
        lark: The emulator whose state is kept.
        folder: The folder for the state, created with mode 0700 if it does not exist. It holds everything
            that the tenant holds, tokens included.

    Raises:
        ValueError: another emulator uses the folder.
        OSError: it cannot be used.
    """

    def __init__(self, lark: Lark, folder: Path) -> None:
        self._lark = lark
        self._folder = folder
        self._file = folder / STATE_FILE
        self._lock: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._saved = -1
        self._saver: tuple[int, int] | None = None
        """The process that saves now, and what it saves."""
        self._failed = False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()

    def _take_lock(self) -> None:
        """Take the lock of the folder.

        A process that was killed may have left one behind that is still saving: it is waited for.
        """
        if self._lock is not None:
            return
        lock = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                owner = os.pread(lock, 20, 0)
                if _is_alive(owner):
                    os.close(lock)
                    raise ValueError(
                        f"another emulator keeps its state in {self._folder}. Next: stop it, or give another "
                        "--data"
                    ) from None
                sleep(_LOCK_PAUSE_S)
        os.pwrite(lock, b"%-20d" % os.getpid(), 0)
        self._lock = lock

    def load(self) -> bool:
        """Put what was saved into the emulator.

        Returns:
            Whether there was something.

        Raises:
            ValueError: it cannot be used; the text says why.
        """
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return False
        unpack(self._lark, content, str(self._file))
        return True

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Save every few seconds from now on, if something may have changed."""
        self._take_lock()
        self._timer = loop.call_later(SAVE_EVERY_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(SAVE_EVERY_S, self._tick, loop)
        if self._saver is None or self._reap_saver(os.WNOHANG):
            self._begin_save()

    def _begin_save(self) -> None:
        """Save in a copy of this process so that no call waits; where it has threads, it cannot be copied."""
        if self._saved == self._lark.touched:
            return
        if threading.active_count() > 1:
            self.save()
            return
        touched = self._lark.touched
        saver = os.fork()
        if saver:
            self._saver = saver, touched
            return
        code = 1
        try:  # the copy: whatever happens, it must not go on as a server
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            code = 0 if self.save() else 1
        finally:
            os._exit(code)

    def _reap_saver(self, how: int) -> bool:
        """Collect the copy that saves if it has ended, and note what it has saved; return whether it has."""
        assert self._saver is not None  # noqa: S101 - checked by the callers
        pid, touched = self._saver
        ended, status = os.waitpid(pid, how)
        if not ended:
            return False
        self._saver = None
        if status == 0:
            self._saved, self._failed = touched, False
        else:
            self._failed = True  # it has said so itself
        return True

    def save(self) -> bool:
        """Save now. The file is the old one or the new one at any time, whatever happens meanwhile.

        What cannot be saved (a full disk) is said on stderr, once until it can be again, and tried again.

        Returns:
            Whether it was saved.
        """
        touched = self._lark.touched
        draft = self._file.with_suffix(".new")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
                file.write(pack(self._lark))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            if not self._failed:
                sys.stderr.write(f"the state cannot be saved in {self._folder}: {error.strerror}\n")
            self._failed = True
            return False
        self._saved, self._failed = touched, False
        return True

    def end(self) -> None:
        """Save a last time, and let other emulators use the folder."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._saver is not None:
            self._reap_saver(0)
        self.save()
        self.close()

    def close(self) -> None:
        """Let other emulators use the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
