"""Files on this machine: read for uploads, written by downloads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from lark_provider.protocol.effects import Loaded, ReadFile
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.multipart import CHUNK_BYTES
from lark_provider.support.atomic_files import replace_when_complete
from lark_provider.support.text import is_unicode


@dataclass(frozen=True, slots=True)
class _FileContent:
    """Part of a file, read in chunks each time that it is sent.

    Attributes:
        opened: Opens the file.
        start: Where the part begins, in bytes.
        size: Its length in bytes.
        shown: Names the file in errors.
    """

    opened: Callable[[], AbstractContextManager[IO[bytes]]]
    start: int
    size: int
    shown: str

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        left = self.size
        with self.opened() as file:
            file.seek(self.start)
            while left:
                chunk = file.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise InvalidRequestError(
                        f"{self.shown} became shorter while it was uploaded. Next: upload it again when it "
                        "is complete."
                    )
                left -= len(chunk)
                yield chunk


def prepare_upload(wanted: ReadFile) -> Loaded:
    """Find out the name and the size of a file to be sent, and how its content is read.

    Args:
        wanted: The file and its limit.

    Raises:
        InvalidRequestError: It is missing, cannot be read, or has no name.
    """
    source, most = wanted.source, wanted.limit + 1
    if isinstance(source, bytes | bytearray | memoryview):
        whole = (
            source if isinstance(source, bytes) and len(source) <= most else bytes(memoryview(source)[:most])
        )
        return Loaded(_choose_file_name(wanted, None), whole)
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        file_path = Path(source)
        opened = partial(_open, file_path, wanted.what)
        with opened() as file:
            return Loaded(
                _choose_file_name(wanted, file_path.name), _read_content(file, opened, most, wanted.what)
            )
    content = _read_content(source, lambda: nullcontext(source), most, wanted.what)
    return Loaded(_choose_file_name(wanted, getattr(source, "name", None)), content)


@contextmanager
def _open(path: Path, what: str) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise _make_unreadable_error(path, what, error) from error
    with file:
        try:
            yield file
        except OSError as error:  # a folder opens on some systems
            raise _make_unreadable_error(path, what, error) from error


def _make_unreadable_error(path: Path, what: str, error: OSError) -> InvalidRequestError:
    return InvalidRequestError(
        f"The {what} {str(path)!r} cannot be read: {error.strerror}. Next: check the path."
    )


def _read_content(
    file: IO[bytes], opened: Callable[[], AbstractContextManager[IO[bytes]]], limit: int, what: str
) -> bytes | _FileContent:
    """Return the rest of a file, to be read while it is sent; as bytes if it can be read only once."""
    if not (hasattr(file, "seekable") and file.seekable()):
        return _read_once(file, limit, what)
    _check_bytes(file.read(0), what)
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    return _FileContent(opened, start, max(0, size), f"The {what} {getattr(file, 'name', '')!r}")


def _read_once(file: IO[bytes], limit: int, what: str) -> bytes:
    """Return the rest of a file that can be read once, such as a pipe, whose reads may be short."""
    parts: list[bytes] = []
    left = limit
    while left > 0 and (part := _check_bytes(file.read(left), what)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _check_bytes(read: object, what: str) -> bytes:
    """Return what was read, if it is bytes."""
    if read is None:
        raise InvalidRequestError(
            f"The {what} must be readable to its end, got a non-blocking file that has no data yet. Next: "
            "call os.set_blocking(file.fileno(), True) before, or pass the whole content as bytes."
        )
    if not isinstance(read, bytes):
        raise InvalidRequestError(
            f"The {what} must be open in binary mode, got text. Next: open it with mode 'rb'."
        )
    return read


def _choose_file_name(wanted: ReadFile, own: object) -> str:
    if wanted.name:
        return wanted.name
    name = Path(own).name if isinstance(own, str) else None
    if name is not None and is_unicode(name):
        return name
    if wanted.what == "image":
        return "image"  # Lark shows no name for images.
    problem = "have a name" if name is None else f"have a name that is valid Unicode, got {name!r:.80}"
    raise InvalidRequestError(f"The {wanted.what} must {problem}. Next: pass file_name=.")


@contextmanager
def open_atomic(target: str) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name, with the usual permissions, once it is complete.

    Args:
        target: The path.
    """
    # The inner block closes the file first: what could not be written raises an error before the renaming.
    with replace_when_complete(Path(target)) as unfinished, unfinished.open("wb") as file:
        yield file
