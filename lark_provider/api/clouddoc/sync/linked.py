"""Link fields that are given by a key of the other table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.conversion import read_fields
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.records import MAX_PAGE, RECORDS
from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.api.clouddoc.sync.keys import KeyBuilder
from lark_provider.api.clouddoc.sync.scanning import (
    MAX_SCANS,
    Scan,
    log_incomplete,
    make_incomplete_error,
)
from lark_provider.api.clouddoc.sync.slices import feed_records, slice_page
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.sync_index import SyncIndex


def read_linked(
    app_token: str,
    name: str,
    key_field: str,
    fields: Sequence[Field],
    index: SyncIndex,
    keep: Callable[[], Procedure[None]],
) -> Procedure[None]:
    """Read the keys of the table that a field links to.

    Args:
        app_token: The base.
        name: The link field.
        key_field: The key field of the other table.
        fields: The fields of the table that has the link field.
        index: Where the keys are stored.
        keep: Makes the procedure that renews the lease.

    Raises:
        InvalidRequestError: It is not a link field, or the other table has no such key field.
        LarkAPIError: Three scans did not see as many records as Lark counted, or came to no end.
    """
    field = next((field for field in fields if field["field_name"] == name), None)
    table_id = (field.get("property") or {}).get("table_id") if field else None
    if field is None or field["type"] not in types.LINKS or not table_id:
        raise InvalidRequestError(
            f"links must name fields that link to another table, got {name!r}. Next: write the name of a "
            "link field exactly as the table shows it."
        )
    others = yield from read_fields(app_token, table_id)
    kinds = {other["field_name"]: other["type"] for other in others}
    keys = KeyBuilder([key_field], kinds, "exact", dt.UTC)
    read = partial(_read_page, app_token, table_id, key_field, keep)
    for attempt in range(MAX_SCANS):
        seen = set[str]()
        yield from work(index.begin_linked, name)
        scan = Scan()
        while (yield from scan.read_page(read, partial(_add, name, keys, index, seen))):
            pass
        problem = scan.find_problem(len(seen))
        if not problem:
            return
        log_incomplete(attempt, problem)
    raise make_incomplete_error(f"The table that {name!r} links to", problem)


def _read_page(
    app_token: str, table_id: str, key_field: str, keep: Callable[[], Procedure[None]], token: str | None
) -> Procedure[dict[str, Any]]:
    yield from keep()
    call: Call[Any] = make_request(
        "POST",
        fill_path(RECORDS + "/search", app_token=app_token, table_id=table_id),
        params={"page_size": str(MAX_PAGE), "page_token": token},
        json={"field_names": [key_field], "automatic_fields": False},
        safe=True,
    )
    data: dict[str, Any] = (yield from perform(replace(call, skim=slice_page))).data
    return data


def _add(
    name: str, keys: KeyBuilder, index: SyncIndex, seen: set[str], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Add the keys of a page, once all of it is parsed; return the page without its items."""
    pairs: list[tuple[str, str]] = []

    def see(records: Sequence[Mapping[str, Any]]) -> None:
        seen.update(record["record_id"] for record in records)
        record_keys = keys.of_table([record.get("fields") or {} for record in records])
        pairs.extend(
            (key, record["record_id"]) for key, record in zip(record_keys, records, strict=True) if key
        )

    rest = feed_records(data, see)
    index.add_linked(name, pairs)
    return rest
