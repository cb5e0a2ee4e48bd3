"""A file that is read again when it has changed."""

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

    def read(self) -> V:
        """Return the content of the file as it is now.

        Raises:
            ConfigurationError: It is broken or gone.
        """
        with self._lock:
            self._reload_if_changed()
            if self._problem:
                raise ConfigurationError(self._problem)
            return self._value

    def read_last_good(self) -> V:
        """Return the content; the last good one if the file is broken or gone, which is logged once."""
        with self._lock:
            if self._reload_if_changed():
                logger.error(
                    "File rejected; the previous version stays in use",
                    extra={"path": str(self._path), "reason": self._problem},
                )
            return self._value

    def _reload_if_changed(self) -> bool:
        """Read the file if it has changed; return whether it has another problem than before."""
        before = self._problem
        try:
            if self._stat() != self._seen:
                self._value, self._problem = self._read(), ""
                logger.info("File reloaded", extra={"path": str(self._path)})
        except ConfigurationError as error:
            self._problem = str(error)
        return self._problem not in {"", before}

    def _stat(self) -> tuple[int, int, int]:
        try:
            stat = self._path.stat()
        except OSError as error:
            self._seen = None
            raise self._make_unreadable_error(error) from None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _read(self) -> V:
        self._seen = None  # Until it is known what is in the file, it is read again at each look.
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())  # Before the read: what is written meanwhile is a change.
                content = file.read()
        except OSError as error:
            raise self._make_unreadable_error(error) from None
        seen = stat.st_ino, stat.st_size, stat.st_mtime_ns
        try:
            self._check_is_kept(content)
            value = self._parse(content)
        except ConfigurationError as error:
            self._seen = seen
            raise ConfigurationError(f"{self._path} is invalid:\n{error}") from None
        self._seen = seen
        return value

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
