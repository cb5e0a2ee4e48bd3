"""Encode a form with a file (RFC 7578), without I/O."""

from __future__ import annotations

from collections.abc import Mapping


def multipart(
    boundary: str, fields: Mapping[str, str], part: str, file_name: str, content: bytes
) -> tuple[bytes, str]:
    """Encode text fields and one file.

    Args:
        boundary: A text that occurs in none of them.
        fields: The text fields.
        part: The file's field name.
        file_name: The file's own name.
        content: Its bytes.

    Returns:
        The body and its content type.
    """
    pieces = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    quoted = file_name.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    pieces.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{quoted}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    pieces += [content, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"
