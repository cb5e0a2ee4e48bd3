"""`multipart/form-data` (RFC 7578), as uploads send it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from email.message import Message

_END_OF_HEAD = b"\r\n\r\n"


class MalformedError(ValueError):
    """A body that is not a complete form."""


class Part(NamedTuple):
    """One field of a form. `file_name` is None where the sender named no file."""

    name: str
    file_name: str | None
    content: bytes

    @property
    def text(self) -> str:
        """Return the text of a field that is not a file.

        Raises:
            MalformedError: it is not UTF-8.
        """
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            raise MalformedError(f"field {self.name!r} must be UTF-8 text") from error


def parse(content_type: str, body: bytes) -> dict[str, Part]:
    """Take a form apart.

    Args:
        content_type: The request's `Content-Type` header, which names the boundary.
        body: The request's body, in the format `multipart/form-data`.

    Returns:
        The fields by name, the last of each name.

    Raises:
        MalformedError: another content type, no boundary, a part without a name, or no end.
    """
    kind = _parse_header("content-type", content_type)
    boundary = _get_parameter(kind, "boundary", "content-type")
    if kind.get_content_type() != "multipart/form-data" or not boundary:
        raise MalformedError("the content type is not multipart/form-data with a boundary")
    # A delimiter stands on a line of its own; the line break before it is not part of the content.
    line = re.compile(
        rb"(?:\A|\r\n)--" + re.escape(boundary.encode("latin-1", "replace")) + rb"(--)?[ \t]*(?=\r\n|\Z)"
    )
    parts: dict[str, Part] = {}
    start: int | None = None
    for delimiter in line.finditer(body):
        if start is not None:
            part = _parse_part(body[start : delimiter.start()])
            parts[part.name] = part
        if delimiter[1]:
            return parts
        start = delimiter.end() + len(b"\r\n")
    raise MalformedError("the form has no end")


def _parse_part(raw: bytes) -> Part:
    head, separator, content = raw.partition(_END_OF_HEAD)
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if separator and name.strip().lower() == "content-disposition":
            disposition = _parse_header("content-disposition", value.strip())
            field = _get_parameter(disposition, "name", "content-disposition")
            if field:
                file_name = _get_parameter(disposition, "filename", "content-disposition")
                return Part(field, file_name, content)
    raise MalformedError("a part has no name")


def _parse_header(name: str, value: str) -> Message:
    from email.message import Message  # with the rest of `email`, which only uploads need

    message = Message()
    message[name] = value
    return message


def _get_parameter(message: Message, name: str, header: str) -> str | None:
    from email.utils import collapse_rfc2231_value

    try:
        value = message.get_param(name, header=header)
    except TypeError:  # of `email`, for a parameter that is given in sections and otherwise
        raise MalformedError(f"the parameter {name} is given twice") from None
    return None if value is None else collapse_rfc2231_value(value)
