"""Images and files that were uploaded, and pages of the wiki."""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGE_TYPES = ("message", "avatar")
FILE_TYPES = ("opus", "mp4", "pdf", "doc", "xls", "ppt", "stream")
#: Files that are sent as another type of message than `file`.
_SENT_AS = {"opus": "audio", "mp4": "media"}

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
    """A page of the one wiki space. `shared_with` None = every app may read it (app ids)."""

    node_token: str
    obj_type: str
    obj_token: str
    title: str
    create_time: int
    shared_with: frozenset[str] | None = None
