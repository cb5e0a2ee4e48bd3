"""A file that is read again when it has changed. A broken new version keeps the old one."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from lark_provider.protocol.errors import ConfigurationError

V = TypeVar("V")

logger = logging.getLogger(__name__)


class WatchedFile(Generic[V]):
    """The parsed content of a file, as it is now.

    A change is seen by the file's inode, size and time of modification, so also where another file takes its
    name, as in a Kubernetes ConfigMap. May be shared by threads. A new version that is empty counts as
    broken: a file is truncated before it is written in place, and stays empty on a disk that is full.

    Args:
        path: The file.
        parse: Reads its bytes; raises ConfigurationError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], V]) -> None:
        self._path, self._parse = path, parse
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._is_read = False
        self._value, self._problem = self._read(), ""
        self._is_read = True

    @property
    def problem(self) -> str:
        """Why the file as it is now is not used; empty if it is."""
        return self._problem

    def read_current(self) -> V:
        """Return the content; the last good one if the file is broken or gone, which is logged once."""
        with self._lock:
            try:
                if self._stat() != self._seen:
                    self._value, self._problem = self._read(), ""
                    logger.info("File reloaded", extra={"path": str(self._path)})
            except ConfigurationError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    logger.error(  # noqa: TRY400 - the reason is a sentence, and no traceback helps
                        "File rejected; the previous version stays in use",
                        extra={"path": str(self._path), "reason": self._problem},
                    )
            return self._value

    def _stat(self) -> tuple[int, int, int]:
        try:
            stat = self._path.stat()
        except OSError as error:
            self._seen = None
            raise self._make_unreadable_error(error) from None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _read(self) -> V:
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                # Recorded before the read: what is written meanwhile is seen at the next look.
                self._seen = stat.st_ino, stat.st_size, stat.st_mtime_ns
                content = file.read()
            self._check_is_kept(content)
            return self._parse(content)
        except OSError as error:
            raise self._make_unreadable_error(error) from None
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._path} is invalid:\n{error}") from None

    def _make_unreadable_error(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"Cannot read {self._path}: {error.strerror}. Next: check the path and its permissions."
        )

    def _check_is_kept(self, content: bytes) -> None:
        if self._is_read and not content.strip():
            raise ConfigurationError(
                "The file must not become empty, and has. Next: write it again; to remove all that was in "
                "it, leave a comment."
            )
