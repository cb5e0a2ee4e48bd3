"""Images and files that were uploaded, and pages of the wiki."""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGE_TYPES = ("message", "avatar")
FILE_TYPES = ("opus", "mp4", "pdf", "doc", "xls", "ppt", "stream")
#: Files that are sent as another type of message than `file`.
_SENT_AS = {"opus": "audio", "mp4": "media"}

#: The space that is there from the start.
SPACE_ID = "7000000000000000001"
OBJ_TYPES = ("doc", "docx", "sheet", "mindnote", "bitable", "file", "slides")


@dataclass(slots=True)
class Upload:
    """An image or a file. `type` is its `image_type` or `file_type`, `duration` in milliseconds."""

    key: str
    type: str
    app_id: str
    file_name: str
    create_time: int
    content: bytes = field(repr=False)
    duration: int | None = None

    @property
    def is_image(self) -> bool:
        """Whether it came in through `/im/v1/images`."""
        return self.type in IMAGE_TYPES

    @property
    def sent_as(self) -> str:
        """The type of message that it may be sent as; `avatar` is none."""
        if self.is_image:
            return "image" if self.type == "message" else self.type
        return _SENT_AS.get(self.type, "file")


@dataclass(slots=True)
class WikiNode:
    """A page of a wiki space.

    Args:
        node_token: The token of the page.
        obj_type: The type of the document that the page holds.
        obj_token: The token of that document.
        title: The title of the page, unless the document is held here and has a title of its own.
        create_time: When the page was made, in seconds since the epoch.
        shared_with: The ids of the apps that may read the page; None = every app.
        space_id: The id of the wiki space that the page belongs to.
        parent: The node_token of the page above; empty = none.
        origin: The node_token of the page that a shortcut leads to; empty = it is a page itself.
    """

    node_token: str
    obj_type: str
    obj_token: str
    title: str
    create_time: int
    shared_with: frozenset[str] | None = None
    space_id: str = SPACE_ID
    parent: str = ""
    origin: str = ""


@dataclass(slots=True)
class WikiSpace:
    """A wiki space. `members` are those who may read and write it; None = everybody."""

    space_id: str
    name: str
    description: str = ""
    open_sharing: str = "closed"
    members: set[tuple[str, str]] | None = None


@dataclass(slots=True)
class WikiMove:
    """A document on its way into the wiki: it is there `at` a time, as a page with this token."""

    task_id: str
    mover: tuple[str, str]
    node_token: str
    at: float


@dataclass(slots=True)
class Minute:
    """A recording. `owner` is a user_id, `create_time` and `duration` are milliseconds."""

    token: str
    title: str
    owner: str
    create_time: int
    duration: int = 0
