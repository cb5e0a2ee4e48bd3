"""The proof of what a bridge delivers: nobody without the secret makes one, and it holds for a minute."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from lark_provider.errors import ConfigurationError
from lark_provider.protocol.hitl.proof import (
    EVENT_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    WINDOW_SECONDS,
    BridgeSecrets,
)

OLD, NEW = "o" * 32, "n" * 40
AT, BODY = 1_700_000_000, b'{"a": 1}'


def proven(
    by: BridgeSecrets,
    *,
    secrets: BridgeSecrets | None = None,
    now: float = AT,
    method: str = "POST",
    path: str = "/lark/click",
    body: bytes = BODY,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Return whether the proof of a request made at AT is accepted, with some of the request changed."""
    sent_headers = (secrets or by).make_headers("POST", "/lark/click", AT, "e1", BODY) | dict(headers)
    at, event, signature = (sent_headers[name] for name in (TIME_HEADER, EVENT_HEADER, SIGNATURE_HEADER))
    return by.prove(method, path, at, event, body, signature, now=now)


def test_a_request_is_proven_by_the_newest_secret_and_by_those_before() -> None:
    both = BridgeSecrets(f" {NEW} ,{OLD},")
    for made_by, checked_by in ((both, both), (BridgeSecrets(OLD), both), (both, BridgeSecrets(NEW))):
        assert proven(checked_by, secrets=made_by) is True
    assert proven(BridgeSecrets(OLD), secrets=both) is False
    assert repr(both) == "<BridgeSecrets: 2>"


def test_bridges_and_plugins_of_different_versions_make_the_same_proof() -> None:
    headers = BridgeSecrets(NEW).make_headers("POST", "/lark/click", AT, "e1", BODY)
    assert headers[SIGNATURE_HEADER] == "4f08389510b96f32071a5a01183ad8cb04bd289798a8148d3ee2288e2b859143"


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"path": "/lark/clicks"},
        {"body": BODY + b" "},
        {"body": b""},
        {"headers": {EVENT_HEADER: "e2"}},
        {"headers": {EVENT_HEADER: "e1" + BODY.decode()}, "body": b""},
        {"headers": {TIME_HEADER: str(AT + 1)}},
        {"headers": {SIGNATURE_HEADER: ""}},
        {"headers": {SIGNATURE_HEADER: "密" * 64}},
        {"headers": {SIGNATURE_HEADER: "0" * 64}},
    ],
)
def test_what_was_changed_is_not_proven(changed: dict[str, Any]) -> None:
    assert proven(BridgeSecrets(NEW), **changed) is False


@pytest.mark.parametrize("at", ["", "-5", "+5", " 5", "5.0", "5e3", "\u0665", "²", "9" * 5000])
def test_a_time_that_is_not_a_number_is_not_proven(at: str) -> None:
    assert proven(BridgeSecrets(NEW), headers={TIME_HEADER: at}) is False


@pytest.mark.parametrize("sign", [1, -1])
def test_a_proof_holds_for_a_minute_by_either_clock(sign: int) -> None:
    assert proven(BridgeSecrets(NEW), now=AT + sign * WINDOW_SECONDS) is True
    assert proven(BridgeSecrets(NEW), now=AT + sign * (WINDOW_SECONDS + 0.5)) is False


@pytest.mark.parametrize("text", ["", " , ", "s" * 31, f"{NEW},{'s' * 31}"])
def test_secrets_are_long(text: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 32 bytes") as error:
        BridgeSecrets(text)
    assert "sss" not in str(error.value)
