"""Attempts of a load of days, for `tests.loads.attempts`: one row a day, in chunks of two."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.loads.procedure import load
from lark_provider.api.clouddoc.results import BulkResult
from tests.loads import attempts

FIRST = dt.date(2026, 3, 28)
LEASE = 0.5


def attempt(spec: dict[str, Any]) -> dict[str, Any]:
    """Load, in this process."""
    options = LoadOptions(
        chunk_size=2, user_id_type="open_id", zone=None, convert=True, empty_as_none=False, keep_ids=True,
        key_fields=("No",), token_window=0.0, settle_after=LEASE, lease_seconds=LEASE,
    )  # fmt: skip
    source = [{"No": number, "Day": FIRST + dt.timedelta(number)} for number in range(spec["rows"])]
    steps = load(spec["app_token"], spec["table_id"], source, spec["key"], options)

    def describe_result(result: BulkResult) -> dict[str, Any]:
        return {"written": result.written}

    return attempts.perform(steps, spec, describe_result)
