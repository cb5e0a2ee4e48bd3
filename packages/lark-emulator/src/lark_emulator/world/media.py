"""Files and media as the drive holds them, uploads in parts, and tasks that import and export."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mimetypes import MimeTypes

BLOCK_SIZE = 4 * 1024 * 1024
UPLOAD_LIFE = 24 * 3600.0
IMPORT_LIFE = 5 * 60.0
EXPORT_LIFE = 10 * 60.0
DEFAULT_TYPE = "application/octet-stream"


def guess_type(name: str) -> str:
    """Return the content type that the extension of a file name stands for."""
    return _make_types().guess_type(name)[0] or DEFAULT_TYPE


@cache
def _make_types() -> MimeTypes:
    """Make the table when the first file is read: Python looks through the machine's lists for it."""
    from mimetypes import MimeTypes

    return MimeTypes(())  # without what those lists say, so that a name means the same everywhere


@dataclass(slots=True)
class Media:
    """A file of the drive, or an image or attachment inside a document.

    Args:
        token: The `file_token` of the file.
        parent_type: The kind of place it was uploaded to, such as `explorer` or `bitable_file`.
        parent_node: The token of that place: a folder, a document, or a block of a docx.
        app_id: The id of the app that uploaded it.
        name: The name of the file.
        content: The bytes of the file.
        created: When it was uploaded, in seconds since the epoch.
        document: The token of the document that it is part of; empty = none.
    """

    token: str
    parent_type: str
    parent_node: str
    app_id: str
    name: str
    content: bytes = field(repr=False)
    created: float
    document: str = ""

    @property
    def content_type(self) -> str:
        """Told by the extension of its name."""
        return guess_type(self.name)


@dataclass(slots=True)
class PartialUpload:
    """An upload in parts, which may come in any order, and again.

    `point` is `files` or `medias`; `uploader` is the app, and the app or user that it acts for.
    """

    upload_id: str
    point: str
    media: Media
    size: int
    uploader: tuple[str, tuple[str, str]]
    parts: dict[int, bytes] = field(default_factory=dict, repr=False)

    @property
    def block_count(self) -> int:
        """How many parts there are."""
        return max(1, -(-self.size // BLOCK_SIZE))

    def get_part_size(self, seq: int) -> int:
        """Return how many bytes a part has."""
        return min(BLOCK_SIZE, self.size - seq * BLOCK_SIZE)


@dataclass(slots=True)
class ConversionTask:
    """An import or export.

    Args:
        ticket: The id of the task, by which clients look it up.
        app_id: The id of the app that started the task.
        spec: The parameters of the task: `type`, and for an export also `file_extension`, `token` and
            `sub_id`.
        started: When the task was started, in seconds since the epoch.
        status: Lark's `job_status` once the task is over: 0 = done.
        error: Lark's `job_error_msg`.
        token: The token of the document that was made, or of the file to download.
        name: The name of the file to download.
        extra: The codes, as Lark's, of what an import has cut off.
    """

    ticket: str
    app_id: str
    spec: dict[str, str]
    started: float
    status: int = 0
    error: str = "success"
    token: str = ""
    name: str = ""
    extra: list[str] = field(default_factory=list)
