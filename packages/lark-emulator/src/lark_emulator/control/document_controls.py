"""Documents, files and the wiki for Python callers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import document_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.control.plane import Operation


class DocumentControls(ABC):
    """The part of `Controls` about documents, files and the wiki. Bad input raises ValueError."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def document_content(self, token: str) -> dict[str, Any]:
        """Return what a docx holds: `title`, `revision`, `text` and `blocks`.

        Raises:
            ValueError: no such document, or no docx.
        """
        return self._do(document_content.get_content, {"token": token})

    def medias(self) -> list[dict[str, Any]]:
        """Return the images and attachments that documents hold, without their bytes."""
        medias: list[dict[str, Any]] = self._do(document_content.list_medias, {})["medias"]
        return medias

    def add_wiki_space(
        self, name: str, *, description: str | None = None, members: Iterable[str] | None = None
    ) -> str:
        """Add a wiki space, and return its space_id.

        Args:
            name: The name of the space.
            description: The description of the space.
            members: Those who may read and write the space, such as `app:cli_1a2b3c4d5e6f0001` or
                `user:alice`; absent = everyone.

        Raises:
            ValueError: no such member.
        """
        member_names = None if members is None else list(members)
        spec = {"name": name, "description": description, "members": member_names}
        return str(self._do(document_content.add_space, spec)["space_id"])

    def wiki_spaces(self) -> list[dict[str, Any]]:
        """Return the spaces of the wiki, each with its `pages`."""
        spaces: list[dict[str, Any]] = self._do(document_content.list_spaces, {})["spaces"]
        return spaces
