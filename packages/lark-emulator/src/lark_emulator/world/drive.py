"""Folders and files: where they are, whose they are, and with whom they are shared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lark_emulator.world.bases import Base
from lark_emulator.world.docx import Docx
from lark_emulator.world.media import Media

if TYPE_CHECKING:
    from lark_emulator.clock import Clock
    from lark_emulator.world.media import ConversionTask, PartialUpload
    from lark_emulator.world.sheets import Spreadsheet

    #: A kind (`app`, `user` or `chat`) and an app_id, user_id or chat_id.
    Who = tuple[str, str]

PERMS = ("view", "edit", "full_access")
FOLDER, SHEET, BITABLE, DOCX, FILE = "folder", "sheet", "bitable", "docx", "file"
PUBLIC: dict[str, Any] = {
    "external_access_entity": "closed",
    "security_entity": "anyone_can_view",
    "comment_entity": "anyone_can_view",
    "share_entity": "anyone",
    "manage_collaborator_entity": "collaborator_can_view",
    "link_share_entity": "closed",
    "copy_entity": "anyone_can_view",
    "lock_switch": False,
}
_PATHS = {FOLDER: "drive/folder", SHEET: "sheets", BITABLE: "base"}


@dataclass(slots=True)
class Document:
    """A folder or a file.

    Args:
        token: The token of the folder or file.
        type: The type: `folder`, `sheet`, `bitable`, `docx`, or another type of file, whose content is not
            held.
        owner: The owner, as kind (`app` or `user`) and id.
        parent: The token of its folder; empty = none, for root folders.
        created: When it was made, in seconds since the epoch.
        content: The content of a spreadsheet, base, docx or uploaded file; None for all others.
        own_title: The title, unless its content has a name.
        members: The permissions of its collaborators, by kind and id.
        public: The settings of its link.
        root: Whether it is the folder that an owner has from the start, from which nothing inherits.
        past: The titles and folders that it has had, each after the time of the change, in seconds since the
            epoch; a folder of None = deleted.
    """

    token: str
    type: str
    owner: Who
    parent: str
    created: float
    content: Spreadsheet | Base | Docx | Media | None = None
    own_title: str = ""
    members: dict[Who, str] = field(default_factory=dict)
    public: dict[str, Any] = field(default_factory=lambda: dict(PUBLIC))
    modified: float = 0.0
    deleted: bool = False
    root: bool = False
    past: list[tuple[float, str, str | None]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What it is called."""
        if isinstance(self.content, Base):
            return self.content.name
        return self.content.title if isinstance(self.content, Docx) else self.own_title

    @property
    def url(self) -> str:
        """What people open it by."""
        return f"https://emulator.invalid/{_PATHS.get(self.type, self.type)}/{self.token}"

    def note(self, now: float) -> None:
        """Keep title and folder as they are from now on."""
        self.modified = now
        self.past.append((now, self.title, None if self.deleted else self.parent))

    def find_listing(self, time: float) -> tuple[str, str | None]:
        """Return the title and folder that it had at a time; no folder = it was not there."""
        for since, title, parent in reversed(self.past):
            if since <= time:
                return title, parent
        return "", None


class Drive:
    """All documents of the tenant, deleted ones included."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.documents: dict[str, Document] = {}
        #: what folders of more than one document are deleted by: task_id -> status
        self.tasks: dict[str, str] = {}
        #: the copy that is being made, or None
        self.copying: object = None
        #: uploads that are being made, by app_id
        self.uploading: dict[str, object] = {}
        #: images and attachments inside documents, by token
        self.medias: dict[str, Media] = {}
        #: uploads in parts, by upload_id
        self.partial: dict[str, PartialUpload] = {}
        #: imports and exports, by ticket
        self.imports: dict[str, ConversionTask] = {}
        self.exports: dict[str, ConversionTask] = {}
        #: what a temporary address leads to, by its code: the token of a media, and when it ends
        self.addresses: dict[str, tuple[str, float]] = {}
        #: who wants the events of a file: token -> app_id -> tenant_key
        self.subscribers: dict[str, dict[str, str]] = {}

    def add(self, document: Document) -> Document:
        """Add a document that was just made."""
        self.documents[document.token] = document
        document.note(self._clock.get_time())
        return document

    def ensure_root(self, who: Who) -> Document:
        """Return the root folder of an app or of a user, made when it is first needed."""
        name = who[1] if who[0] == "app" else ":".join(who)
        token = "nodcn" + hashlib.blake2s(name.encode()).hexdigest()[:22]
        root = self.documents.get(token)
        if root is None:
            root = self.add(Document(token, FOLDER, who, "", self._clock.get_time(), root=True))
        return root

    def list_children(self, token: str) -> list[Document]:
        """Return what is in a folder now."""
        return [
            document
            for document in self.documents.values()
            if document.parent == token and not document.deleted
        ]
