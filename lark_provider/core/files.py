"""Files on this machine: read for uploads, written by downloads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from lark_provider.protocol.calls import Loaded, ReadFile
from lark_provider.protocol.errors import InvalidRequestError


def load(wanted: ReadFile) -> Loaded:
    """Read a file, or as much of it as shows that it is too large.

    Args:
        wanted: What to read.

    Raises:
        InvalidRequestError: It is missing, cannot be read, or has no name.
    """
    source, most = wanted.source, wanted.limit + 1
    if isinstance(source, bytes | bytearray | memoryview):
        return Loaded(_named(wanted, None), bytes(source[:most]))
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        file_path = Path(source)
        try:
            with file_path.open("rb") as file:
                return Loaded(wanted.name or file_path.name, file.read(most))
        except OSError as error:
            raise InvalidRequestError(
                f"The {wanted.what} {str(file_path)!r} cannot be read: {error.strerror}. "
                "Next: check the path."
            ) from error
    content = source.read(most)
    if not isinstance(content, bytes):
        raise InvalidRequestError(f"The {wanted.what} is open as text. Next: open it with mode 'rb'.")
    return Loaded(_named(wanted, getattr(source, "name", None)), content)


def _named(wanted: ReadFile, own: object) -> str:
    if wanted.name:
        return wanted.name
    if isinstance(own, str):
        return Path(own).name
    if wanted.what == "image":
        return "image"  # Lark shows no name for images
    raise InvalidRequestError(f"The {wanted.what} has no name. Next: pass file_name=.")


@contextmanager
def arriving(target: str) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when all of it has arrived.

    Args:
        target: The path.
    """
    path = Path(target)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(file.name).unlink()
            raise
