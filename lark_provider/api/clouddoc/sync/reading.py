"""Read the records of a table: all of them, those with some keys, or those with some ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final

from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.api.clouddoc.searches import MAX_NAMES
from lark_provider.api.clouddoc.sync.comparing import Comparison
from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.api.clouddoc.sync.plan import MAX_READ
from lark_provider.api.clouddoc.sync.scanning import (
    MAX_SCANS,
    Scan,
    log_incomplete,
    make_incomplete_error,
)
from lark_provider.api.clouddoc.sync.scope import Scope
from lark_provider.api.clouddoc.sync.slices import Skim, slice_page
from lark_provider.api.contact import UserIdType
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import Now
from lark_provider.protocol.errors import LarkAPIError, PermissionDeniedError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.sync_index import SyncIndex

MAX_KEYS: Final = 50
"""Keys in one filter, as many conditions as Lark takes."""
_MAX_KEY_CHARS = 2000
_CONDITION_CHARS = len('{"field_name":"","operator":"is","value":[""]},')
_FILTER_CHARS = 100
_MAX_PAGE, _MIN_PAGE = 500, 25
_TOO_LARGE_ANSWER, _TOO_LONG_FILTER, INVALID_FILTER = 1254030, 1254107, 1254018


@dataclass(slots=True)
class TableReader:
    """Reads one table into the index.

    Attributes:
        app_token: The base.
        table_id: The table.
        index: The index to which the records that are read are added.
        comparison: The fields that are read, and how they are compared.
        scope: The conditions that limit the reading; None for the whole table.
        user_id_type: The kind of id by which people are named.
        keep: Makes the procedure that is run between requests, which renews the lease.
        pages: How many pages the last complete scan had.
        calls: How many requests have read records.
        seconds: How long these requests took in all, in seconds.
    """

    app_token: str
    table_id: str
    index: SyncIndex
    comparison: Comparison
    scope: Scope | None
    user_id_type: UserIdType
    keep: Callable[[], Procedure[None]]
    pages: int = 0
    calls: int = 0
    seconds: float = 0.0
    page_size: int = _MAX_PAGE
    condition_chars: int = 0
    """How many characters a condition counts beside its key; 0 until Lark finds a filter too long."""

    def scan(self, *, rows: int = 0, may_filter: bool = False, adds: bool = False) -> Procedure[bool]:
        """Read all records within the scope; read them again if the scan was incomplete.

        Args:
            rows: How many rows the source has.
            may_filter: Whether to stop after the first page if searching for the keys takes fewer calls.
            adds: Whether records stay that only an earlier scan has seen: one that this scan did not see may
                have slipped from one page into another.

        Returns:
            Whether everything was read; else the keys are to be searched for.

        Raises:
            LarkAPIError: Three scans did not see as many records as Lark counted, or came to no end.
        """
        for attempt in range(MAX_SCANS):
            yield from work(self.index.begin_scan)
            try:
                scan = yield from self._scan_once(rows if may_filter and not attempt else 0)
            except LarkAPIError as error:
                if error.code != _TOO_LARGE_ANSWER or self.page_size <= _MIN_PAGE:
                    raise
                self.page_size, problem = max(_MIN_PAGE, self.page_size // 4), str(error)
                log_incomplete(attempt, problem)
                continue
            if scan is None:
                return False
            problem = scan.find_problem((yield from work(self.index.count_scanned)))
            if not problem:
                self.pages = scan.pages
                yield from work(self.index.end_scan, keep=adds)
                return True
            log_incomplete(attempt, problem)
        raise make_incomplete_error("The table", problem)

    def _scan_once(self, rows: int) -> Procedure[Scan | None]:
        """Read all pages; return None after the first one if searching for the keys takes fewer calls."""
        scan = Scan()
        body = self._make_body()
        while (
            yield from scan.read_page(
                lambda token: self._answer(body, token, skim=slice_page),
                lambda page: self.comparison.see_page(page, self.index),
            )
        ):
            searches, pages = ceil(rows / MAX_KEYS), (scan.total or 0) // self.page_size
            if scan.pages == 1 and 0 < searches < pages:
                return None
        return scan

    def read_by_keys(self, keys: Sequence[str]) -> Procedure[None]:
        """Search for records by key.

        Args:
            keys: Any number of keys of a field that has a filter.

        Raises:
            LarkAPIError: 1254018, Lark does not take such a filter.
        """
        waiting = make_batches(keys, self.condition_chars)
        while waiting:
            batch = waiting.pop()
            try:
                items = yield from self.find(batch)
            except LarkAPIError as error:
                if error.code != _TOO_LONG_FILTER or len(batch) == 1:
                    raise
                left = [key for part in [batch, *waiting] for key in part]
                if not self.condition_chars:
                    self.condition_chars = _CONDITION_CHARS + len(self.comparison.keys.names[0])
                    waiting = make_batches(left, self.condition_chars)
                else:
                    waiting += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                continue
            yield from work(self.comparison.see, items, self.index)

    def find(self, keys: Sequence[str]) -> Procedure[list[dict[str, Any]]]:
        """Return the records that have one of some keys.

        Args:
            keys: The keys, at most `MAX_KEYS`.
        """
        name = self.comparison.keys.names[0]
        conditions = [{"field_name": name, "operator": "is", "value": [key]} for key in keys]
        any_key: dict[str, Any] = {"conjunction": "or", "conditions": conditions}
        search_filter = any_key
        if self.scope is not None:
            search_filter = {"conjunction": "and", "conditions": self.scope.conditions, "children": [any_key]}
        body = {**self._make_body(), "filter": search_filter}

        def read_page(token: str | None) -> Procedure[Page[dict[str, Any]]]:
            return Page.of((yield from self._answer(body, token)))

        pager, items = Pager(Listing(read_page)), list[dict[str, Any]]()
        while not pager.ended:
            items += yield from pager.read_next_page()
        return items

    def has_records(self) -> Procedure[bool]:
        """Return whether any record of the table is visible, inside or outside the scope."""
        data = yield from self._answer({"automatic_fields": False}, None, page_size=1)
        return bool(data.get("items"))

    def read_by_ids(
        self, record_ids: Sequence[str], *, automatic_fields: bool = False
    ) -> Procedure[tuple[list[dict[str, Any]], list[str]]]:
        """Return records by id, and the ids of those that do not exist.

        See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_get.

        Args:
            record_ids: The ids of the records, any number of them.
            automatic_fields: Whether to read when they were created.

        Raises:
            PermissionDeniedError: Some are hidden from the app.
        """
        url = fill_path(RECORDS + "/batch_get", app_token=self.app_token, table_id=self.table_id)
        records: list[dict[str, Any]] = []
        absent: list[str] = []
        for start in range(0, len(record_ids), MAX_READ):
            body = {
                "record_ids": list(record_ids[start : start + MAX_READ]),
                "user_id_type": self.user_id_type,
                "automatic_fields": automatic_fields,
            }
            call: Call[Any] = make_request("POST", url, json=body, safe=True)
            data = (yield from self._perform_timed(call)).data
            if forbidden := data.get("forbidden_record_ids"):
                raise PermissionDeniedError(
                    f"The app may not see {len(forbidden)} record(s) that it needs, such as {forbidden[0]}. "
                    "Next: give the app's role all rows of the table in the base's advanced permissions.",
                    code=1254302,
                )
            records += data.get("records") or ()
            absent += data.get("absent_record_ids") or ()
        return records, absent

    def _make_body(self) -> dict[str, Any]:
        names = [*self.comparison.keys.names]
        if self.comparison.compares:
            # Without rows in the source, nothing else names the fields of the mark.
            names += [*self.comparison.layout.names, *self.comparison.marks]
        body: dict[str, Any] = {"automatic_fields": False}
        if len(names) <= MAX_NAMES:
            body["field_names"] = list(dict.fromkeys(names))
        if self.scope is not None:
            body["filter"] = {"conjunction": "and", "conditions": self.scope.conditions}
        return body

    def _answer(
        self, body: dict[str, Any], token: str | None, *, page_size: int | None = None, skim: Skim = None
    ) -> Procedure[dict[str, Any]]:
        """Read a page.

        See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search.
        """
        yield from self.keep()
        call: Call[Any] = make_request(
            "POST",
            fill_path(RECORDS + "/search", app_token=self.app_token, table_id=self.table_id),
            params={
                "user_id_type": self.user_id_type,
                "page_size": str(page_size or self.page_size),
                "page_token": token,
            },
            json=body,
            safe=True,
        )
        data: dict[str, Any] = (yield from self._perform_timed(replace(call, skim=skim))).data
        return data

    def _perform_timed(self, call: Call[Any]) -> Procedure[Any]:
        began: float = yield Now()
        answer = yield from perform(call)
        ended: float = yield Now()
        self.calls += 1
        self.seconds += max(0.0, ended - began)
        return answer


def make_batches(keys: Sequence[str], overhead: int = 0) -> list[list[str]]:
    """Return keys in batches, each for one filter: at most 50 keys and 2,000 characters.

    Args:
        keys: The keys.
        overhead: How many characters each key counts in addition to its own.
    """
    key_batches: list[list[str]] = []
    limit = _MAX_KEY_CHARS - (_FILTER_CHARS if overhead else 0)
    chars = limit
    for key in keys:
        if chars + overhead + len(key) > limit or len(key_batches[-1]) == MAX_KEYS:
            key_batches.append([])
            chars = 0
        key_batches[-1].append(key)
        chars += overhead + len(key)
    return key_batches
