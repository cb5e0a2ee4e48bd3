"""One attempt of a sync in a process of its own, see `tests.loads.attempts`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lark_provider.api.clouddoc.sync.options import SyncOptions
from lark_provider.api.clouddoc.sync.procedure import run
from lark_provider.protocol.operations import Procedure
from tests.loads.attempts import perform

BAD = "ou_nobody"


def make_name(number: int, version: int) -> str:
    """Return what a row says; every seventh one changes with each version of the source."""
    return f"row {number}, version {version if number % 7 == 0 else 0}"


def yield_rows(count: int, version: int, bad: frozenset[int] = frozenset()) -> Iterator[dict[str, Any]]:
    """Yield the source's rows; Lark refuses the bad ones."""
    for number in range(count):
        row: dict[str, Any] = {"No": f"N{number}", "Name": make_name(number, version), "Size": number}
        yield {**row, "Who": BAD} if number in bad else row


def attempt(spec: dict[str, Any]) -> dict[str, Any]:
    """Sync, in this process."""
    usual: dict[str, Any] = {
        "key_fields": ["No"], "scope": None, "on_missing": "delete", "mark": None, "max_deletes": 1.0,
        "on_duplicate": "keep_oldest", "on_null": "clear", "key_form": "exact", "on_bad_row": "skip",
        "max_rejects": 100, "only_rows": None, "links": {}, "strict_options": False, "empty_as_none": False,
        "allow_empty_table": False, "user_id_type": "open_id", "zone": None,
    }  # fmt: skip
    options = SyncOptions(**{**usual, **spec["options"]})
    source = yield_rows(spec["rows"], spec["version"], frozenset(spec.get("bad", ())))
    steps: Procedure[Any] = run(spec["app_token"], spec["table_id"], source, options)
    return perform(steps, spec, lambda result: {**result.summary(), "settled": result.settled})
