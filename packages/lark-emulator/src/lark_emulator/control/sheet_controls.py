"""Spreadsheets and the drive for Python callers: what people do, what cells hold, and who can open what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import documents, sheet_edits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lark_emulator.control.plane import Operation


class SheetControls(ABC):
    """The part of `Controls` that is about spreadsheets, folders and permissions."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def spreadsheet(self, token: str, *, cells: bool = True) -> dict[str, Any]:
        """Return a spreadsheet: `title`, `revision`, `folder_token`, `deleted` and `sheets`, as `sheet` does.

        Args:
            token: The spreadsheet's token.
            cells: Whether to return values and formats.

        Raises:
            ValueError: no such spreadsheet.
        """
        return self._do(sheet_edits.read, {"token": token, "cells": cells})

    def sheet(self, token: str, sheet: str | None = None) -> dict[str, Any]:
        """Return a worksheet: values, formats, widths, freeze, merges, filter, rules, and `revision`.

        Args:
            token: The spreadsheet's token.
            sheet: The title or id of the worksheet; absent = the first.

        Returns:
            See `sheet_view.render`; `revision` is that of the spreadsheet.

        Raises:
            ValueError: no such spreadsheet or worksheet.
        """
        view = self._do(sheet_edits.read, {"token": token, "sheet": sheet})
        return {"revision": view["revision"], **view["sheets"][0]}

    def edit_sheet(
        self, token: str, edits: Sequence[Mapping[str, Any]], *, user_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Let a person type, insert, delete, sort, rename, move or delete, see `sheet_edits.edit_sheet`.

        Raises:
            ValueError: no such spreadsheet, worksheet or user, or an edit that makes no sense.
        """
        spec = {"token": token, "edits": [dict(edit) for edit in edits], "user_id": user_id}
        done: list[dict[str, Any]] = self._do(sheet_edits.edit_sheet, spec)["edits"]
        return done

    def plan_sheet_edit(
        self,
        token: str,
        edits: Sequence[Mapping[str, Any]],
        *,
        before: str = "any",
        skip: int = 0,
        user_id: str | None = None,
    ) -> None:
        """Plan what a person does just before a request to a spreadsheet is performed.

        Args:
            token: The spreadsheet's token.
            edits: The edits, in the format of `edit_sheet`.
            before: The kind of request before which the edits are made: `read`, `write` or `any`.
            skip: How many such requests pass first.
            user_id: The user_id of the person who edits; absent = the first user.

        Raises:
            ValueError: as for `edit_sheet`.
        """
        spec = {"token": token, "edits": [dict(edit) for edit in edits], "user_id": user_id}
        self._do(sheet_edits.plan_edits, {**spec, "before": before, "skip": skip})

    def clear_sheet_plans(self) -> None:
        """Forget all planned edits of spreadsheets."""
        self._do(sheet_edits.clear_plans, {})

    def add_document(
        self,
        title: str,
        *,
        type: str = "sheet",  # noqa: A002 - Lark's word
        owner: str | None = None,
        folder_token: str | None = None,
    ) -> str:
        """Add a folder, a spreadsheet, a docx or another file that a person made, and return its token.

        Args:
            title: The title of the document.
            type: The type of the document: `folder`, `sheet`, `docx`, or another type, whose content is not
                held.
            owner: The owner, such as `user:alice` or `app:cli_1a2b3c4d5e6f0001`; absent = the first user.
            folder_token: The token of the folder that contains it; absent = in no folder.

        Raises:
            ValueError: no such owner or folder.
        """
        spec = {"title": title, "type": type, "owner": owner, "folder_token": folder_token}
        return str(self._do(documents.add, spec)["token"])

    def share_document(self, token: str, share_with: str, perm: str = "view") -> None:
        """Share a document as its owner would.

        Args:
            token: The document's token.
            share_with: The collaborator, such as `user:bob`, `app:cli_1a2b3c4d5e6f0001` or
                `chat:oc_emulator_data_team`.
            perm: The permission: `view`, `edit`, `full_access`, or `none`, which removes it.

        Raises:
            ValueError: no such document or collaborator, or another word.
        """
        self._do(documents.share, {"token": token, "with": share_with, "perm": perm})

    def document(self, token: str) -> dict[str, Any]:
        """Return a folder or file: `owner`, `members`, `openers` and more, as `GET documents/access` does.

        Raises:
            ValueError: no such document.
        """
        return self._do(documents.get_access, {"token": token})

    def openers(self, token: str) -> dict[str, str]:
        """Return who can open a document, and the most that each may do: `{"user:alice": "edit", …}`.

        Raises:
            ValueError: no such document.
        """
        openers: dict[str, str] = self.document(token)["openers"]
        return openers

    def documents(self) -> list[dict[str, Any]]:
        """Return all folders and files, deleted ones included."""
        files: list[dict[str, Any]] = self._do(documents.list_all, {})["documents"]
        return files
