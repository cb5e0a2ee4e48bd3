"""A call under a lease, which ends with it: the error names what ended it, and what helps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import DeadlineExceededError, OutcomeUnknownError
from lark_provider.protocol.calls import LarkResponse, make_request
from lark_provider.protocol.ledger import Lease
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import perform_leased

LEASE = "the write lease on the table or document expired before an answer"
CHATS = "/open-apis/im/v1/chats"


def leased_call(method: str, seconds: float, **options: Any) -> Procedure[LarkResponse[Any]]:
    call = make_request(method, CHATS, **options)
    return (yield from perform_leased(call, Lease("table", "writer", time.monotonic() + seconds)))


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (
            lambda: LarkServiceClient().perform(leased_call("POST", 2.0, json={"name": "x"})),
            OutcomeUnknownError,
            f"may or may not have happened: {LEASE}. Next: check whether it was written before repeating it",
        ),
        (
            lambda: LarkServiceClient().perform(leased_call("POST", -1.0, json={"name": "x"})),
            DeadlineExceededError,
            f"{LEASE}. Next: call again to take the lease again; a longer deadline= does not extend it",
        ),
        (
            lambda: LarkServiceClient(deadline=2.0).perform(leased_call("POST", 30.0, json={"name": "x"})),
            OutcomeUnknownError,
            "may or may not have happened: the deadline passed before an answer. Next: check",
        ),
    ],
    ids=["lease missed", "lease over", "deadline"],
)
def test_an_error_names_what_ended_the_call(
    lark: Emulator, make: Callable[[], Any], kind: type[Exception], text: str
) -> None:
    LarkServiceClient().perform(make_request("GET", CHATS))  # a token is there
    lark.fault("POST", CHATS, delay_ms=8_000)
    with pytest.raises(kind, match=re.escape(text)):
        make()
