"""Bitable for Python callers: what people and administrators do, and what is planned for pages of records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import admin_api, people, seeding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lark_emulator.control.plane import Operation

    Row = Mapping[str, Any]


class TableControls(ABC):
    """The part of `Controls` that is about bases."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def share_base(self, app_token: str, app_id: str) -> None:
        """Open a base to another app.

        Raises:
            ValueError: no such base or app.
        """
        self._do(admin_api.share_base, {"app_token": app_token, "app_id": app_id})

    def limit_base(
        self,
        app_token: str,
        app_id: str | None = None,
        *,
        sees: str = "all",
        writes: bool = True,
        is_advanced: bool = True,
    ) -> None:
        """Set what the advanced permissions of a base leave to an app.

        Args:
            app_token: The base's token.
            app_id: The id of the app that is limited; absent = the app that exists from the start.
            sees: The records that the app sees: `all`, `own` (those that it made) or `none`.
            writes: Whether the app may write records.
            is_advanced: Whether the base has advanced permissions; without, no app is limited.

        Raises:
            ValueError: no such base or app, or an unknown word.
        """
        spec = {
            "app_token": app_token,
            "app_id": app_id,
            "sees": sees,
            "writes": writes,
            "is_advanced": is_advanced,
        }
        self._do(admin_api.limit_base, spec)

    def add_rows(
        self, app_token: str, table_id: str, rows: Sequence[Row], *, user_id: str | None = None
    ) -> list[str]:
        """Add rows (fields by name) in a person's name, all or none, and return their record_ids.

        Raises:
            ValueError: an unknown field, or a value that does not fit.
        """
        spec = {"app_token": app_token, "table_id": table_id, "user_id": user_id, "rows": list(rows)}
        record_ids: list[str] = self._do(seeding.add_rows, spec)["record_ids"]
        return record_ids

    def make_rows(
        self, app_token: str, table_id: str, count: int, fields: Row, *, user_id: str | None = None
    ) -> None:
        """Add many rows made from a template, some 100,000 in a second.

        Args:
            app_token: The base's token.
            table_id: The table's id, `tbl…`.
            count: How many rows to add.
            fields: Values by field name: `{n}` in a string becomes the number of the row, from 0, and
                `{"cycle": [...]}` takes one value after the other.
            user_id: The user_id of the person who makes the rows; absent = the first user.

        Raises:
            ValueError: an unknown field, or a value that does not fit.
        """
        spec = {
            "app_token": app_token,
            "table_id": table_id,
            "user_id": user_id,
            "count": count,
            "fields": dict(fields),
        }
        self._do(seeding.add_rows, spec)

    def edit_rows(
        self,
        app_token: str,
        table_id: str,
        edits: Sequence[Mapping[str, Any]],
        *,
        user_id: str | None = None,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Let a person add, edit and delete records, see `control.people.edit_records`.

        Returns:
            For each edit `do`, `table_id` and `record_ids`.

        Raises:
            ValueError: an unknown member, field or value.
        """
        spec = {
            "app_token": app_token,
            "table_id": table_id,
            "user_id": user_id,
            "edits": [dict(edit) for edit in edits],
            "seed": seed,
        }
        done: list[dict[str, Any]] = self._do(people.edit_records, spec)["edits"]
        return done

    def people_edits(self) -> list[dict[str, Any]]:
        """Return what people did to records, oldest first: `time`, `do`, `table_id`, `record_ids`."""
        edits: list[dict[str, Any]] = self._do(people.list_edits, {})["edits"]
        return edits

    def plan_page(
        self,
        page: int = 0,
        *,
        app_token: str | None = None,
        table_id: str | None = None,
        times: int = 1,
        items: int | None = None,
        ends: bool = False,
        repeats_token: bool = False,
        total: int | str | None = None,
        edits: Sequence[Mapping[str, Any]] | None = None,
        user_id: str | None = None,
        seed: int = 0,
    ) -> None:
        """Plan what happens at a page of a search or list of records.

        Args:
            page: The number of the page, from 1; 0 = any.
            app_token: The token of the base; absent = any base, unless there are edits.
            table_id: The id of the table; absent = any table, unless there are edits.
            times: How many such pages the plan applies to.
            items: The largest number of records in the page; the next page goes on after them.
            ends: Whether `has_more` is false, though records remain.
            repeats_token: Whether the answer has the token that the request had; no effect on the first page.
            total: The `total` to return instead of the true one: a number, `absent` or `stale`.
            edits: The edits that people make once the page was answered, in the format of `edit_rows`.
            user_id: The user_id of the person who edits; absent = the first user.
            seed: The seed by which records are picked for edits that do not name any.

        Raises:
            ValueError: an argument that makes no sense, or nothing to do.
        """
        spec = {
            "page": page,
            "app_token": app_token,
            "table_id": table_id,
            "times": times,
            "items": items,
            "ends": ends,
            "repeats_token": repeats_token,
            "total": total,
            "edits": None if edits is None else [dict(edit) for edit in edits],
            "user_id": user_id,
            "seed": seed,
        }
        self._do(people.plan_page, spec)

    def clear_pages(self) -> None:
        """Forget what is planned for pages."""
        self._do(people.clear_pages, {})
