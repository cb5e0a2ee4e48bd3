"""Encode a form with a file (RFC 7578), whose content is read while it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

CHUNK_BYTES = 256 * 1024


class Chunks(Protocol):
    """A file's content, which yields the same bytes each time that it is iterated, in chunks."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class MultipartForm:
    """The body of a request that uploads a file, sent in chunks, and again with each retry.

    Attributes:
        head: Everything before the file's content.
        content: The file's content.
        tail: Everything after it.
        content_type: The body's type, which names the boundary.
    """

    head: bytes = field(repr=False)
    content: bytes | Chunks = field(repr=False)
    tail: bytes = field(repr=False)
    content_type: str

    def __len__(self) -> int:
        """Return the body's length in bytes."""
        return len(self.head) + len(self.content) + len(self.tail)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in chunks of at most 256 KB."""
        yield self.head
        if isinstance(self.content, bytes):
            for start in range(0, len(self.content), CHUNK_BYTES):
                yield self.content[start : start + CHUNK_BYTES]
        else:
            yield from self.content
        yield self.tail


def encode_multipart(
    boundary: str, fields: Mapping[str, str], part: str, file_name: str, content: bytes | Chunks
) -> MultipartForm:
    """Encode text fields and one file.

    Args:
        boundary: A string that occurs neither in the fields nor in the file.
        fields: The text fields.
        part: The file's field name.
        file_name: The file's own name.
        content: The file's bytes, which are not copied; or an iterable that reads them while they are sent.
    """
    pieces = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    quoted = file_name.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    pieces.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{quoted}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return MultipartForm(
        "".join(pieces).encode(),
        content,
        f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )
