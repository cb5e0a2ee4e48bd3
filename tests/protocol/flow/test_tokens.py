"""Tokens that are fetched: which failures refuse credentials, and what the errors say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lark_provider.errors import LarkAPIError, OutcomeUnknownError, TokenAcquisitionError, TransportError
from lark_provider.protocol.effects import NoResponse, Response
from lark_provider.protocol.tokens import App, fetch, fetch_app_token
from tests.protocol.flow.playback import Playback, answer


def test_a_token_endpoint_that_fails_refuses_no_credentials() -> None:
    app = App("https://x", "cli_1", "s")
    busy = Playback(fetch(app), [answer(2200, 500)], max_retries=0)
    assert isinstance(busy.error, LarkAPIError)
    lost = Playback(fetch(app), [NoResponse("the connection was reset", sent=True)], max_retries=0)
    assert isinstance(lost.error, TransportError)
    assert not isinstance(lost.error, OutcomeUnknownError)
    page = Playback(fetch(app), [Response(404, {}, b"<html>not found</html>")])
    assert isinstance(page.error, LarkAPIError)
    assert (busy.tokens, lost.tokens, page.tokens) == ([], [], []), "a token takes no token"


def test_credentials_that_are_refused_are_named_with_the_id_of_the_log() -> None:
    app = App("https://x", "cli_1", "s")
    refused = Playback(fetch(app), [answer(10014, 400, {"x-tt-logid": "L1"})])
    assert isinstance(refused.error, TokenAcquisitionError)
    text = str(refused.error)
    assert "10014" in text
    assert "check app id 'cli_1' and its secret" in text
    assert text.endswith("(log_id L1)")
    assert "tenant" not in text
    assert "log_id" not in str(Playback(fetch(app), [answer(10014, 400)]).error)


@pytest.mark.parametrize(
    ("get", "member", "code"),
    [(fetch, "tenant_access_token", 10013), (fetch_app_token, "app_access_token", 10012)],
)
def test_what_a_store_app_proves_itself_with_is_replaced_once(get: Any, member: str, code: int) -> None:
    app = App("https://x", "cli_1", "s", tenant_key="a-tenant")
    granted: dict[str, Any] = {member: "t-2", "expire": 7200}
    played = Playback(get(app), [answer(code, 400), answer(**granted)])
    assert played.result == ("t-2", 7200.0)
    assert played.rejected == [None, "proof-1"]
    for replies, times in (([answer(code, 400)] * 2, 2), ([answer(10014, 400)], 1)):
        refused = Playback(get(app), replies)
        assert isinstance(refused.error, TokenAcquisitionError)
        assert len(refused.sent) == times
        assert "that tenant 'a-tenant' has installed it" in str(refused.error)
    quoting = Response(400, {}, orjson.dumps({"code": 10014, "msg": "said proof-1"}))
    assert "proof-1" not in str(Playback(get(app), [quoting]).error)
