"""Serving the files of the page, read when they are first asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from lark_emulator.exchange import Answer, make_plain_answer
from lark_emulator.page import PREFIX

if TYPE_CHECKING:
    from lark_emulator.exchange import Request

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
#: Of `index.html`, where the version of the other files belongs. A new version has new addresses, so that
#: browsers may keep the files of a version for good.
_VERSION_MARK = b"{{version}}"
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}
#: Nothing inline, nothing from elsewhere, no string that becomes HTML (trusted types): whatever a card holds,
#: the browser refuses to run it even if the page's own code were wrong.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


class Files:
    """The files of the page; what was read is kept until a file on disk changes."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._read: dict[str, bytes] = {}
        self._paths: dict[str, Path] = {}
        self._version = ""

    def answer(self, request: Request) -> Answer:
        """Answer `GET /`, or the request for a file under `/_page/<version>/`."""
        if request.method not in ("GET", "HEAD"):
            return make_plain_answer(405, "the page can only be read. Next: send GET.")
        if request.path == "/":
            return self._serve_index(request)
        version, _, name = request.path.removeprefix(PREFIX).partition("/")
        if not self._version:
            self._find_files()
        if name not in self._paths or name == INDEX:
            return make_plain_answer(404, f"the page has no file {name!r}. Next: open /")
        headers = {**SECURITY, "Cache-Control": _FOR_GOOD if version == self._version else _ASK_AGAIN}
        return Answer(
            200,
            self._read_content(name),
            _TYPES.get(self._paths[name].suffix, b"text/plain; charset=utf-8"),
            headers,
        )

    def _serve_index(self, request: Request) -> Answer:
        self._find_files()
        tag = f'"{self._version}"'
        headers = {**SECURITY, "Cache-Control": _ASK_AGAIN, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Answer(304, b"", _TYPES[".html"], headers)
        page = self._read_content(INDEX).replace(_VERSION_MARK, self._version.encode())
        return Answer(200, page, _TYPES[".html"], headers)

    def _find_files(self) -> None:
        """Find the files, and tell by their sizes and times whether what was read is still true."""
        digest = hashlib.blake2s(digest_size=8)
        paths = {}
        for path in sorted(self._folder.rglob("*")):
            if path.is_file():
                name, about = path.relative_to(self._folder).as_posix(), path.stat()
                paths[name] = path
                digest.update(f"{name} {about.st_size} {about.st_mtime_ns}\n".encode())
        if digest.hexdigest() != self._version:
            self._version, self._paths, self._read = digest.hexdigest(), paths, {}

    def _read_content(self, name: str) -> bytes:
        content = self._read.get(name)
        if content is None:
            content = self._read[name] = self._paths[name].read_bytes()
        return content
