"""Urgent messages: over HTTP with both clients."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api import scopes
from lark_provider.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from lark_provider.protocol.pacing import list_limits
from tests.client.conftest import CHAT, Do

URGENT = "/open-apis/im/v1/messages/:message_id/urgent"


@pytest.fixture
def message(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    return LarkServiceClient().messaging.send_text(CHAT, "down").data["message_id"]


def urgents(lark: Emulator) -> list[tuple[str, list[str]]]:
    return [(urgent["kind"], urgent["users"]) for urgent in lark.state()["urgents"]]


def open_id(lark: Emulator, user_id: str) -> str:
    (user,) = (person for person in lark.state()["users"] if person["user_id"] == user_id)
    return str(user["open_ids"][lark.app_id])


def test_people_are_named_by_id_or_address(lark: Emulator, do: Do, message: str) -> None:
    alice = open_id(lark, "alice")
    do(lambda c: c.messaging.urgent(message, alice))
    do(lambda c: c.messaging.urgent(message, ["bob@example.com", alice, "alice@example.com"], kind="sms"))
    do(lambda c: c.messaging.urgent(message, ["alice", "bob"], "phone"))
    assert urgents(lark) == [("app", ["alice"]), ("sms", ["bob", "alice"]), ("phone", ["alice", "bob"])]
    lark.add_user("eve", email="eve@example.com")
    answer = do(lambda c: c.messaging.urgent(message, ["eve@example.com", alice]))
    assert answer.data["invalid_user_id_list"] == [open_id(lark, "eve")]


def test_what_is_wrong_is_refused_before_anything_rings(lark: Emulator, do: Do, message: str) -> None:
    wrong: tuple[tuple[list[Any], str], ...] = (
        ([], "app"),
        (["ou_1", "on_1"], "app"),
        (["oc_1"], "app"),
        ([f"ou_{n}" for n in range(201)], "app"),
        (["ou_1"], "fax"),
        ([None], "app"),
    )
    for people, kind in wrong:
        with pytest.raises(InvalidRequestError, match="Next: "):
            do(lambda c: c.messaging.urgent(message, people, kind=kind))  # noqa: B023 - called now
    with pytest.raises(NotFoundError, match=r"nobody@example\.com"):
        do(lambda c: c.messaging.urgent(message, ["alice@example.com", "nobody@example.com"]))
    assert urgents(lark) == []


def test_a_lost_answer_is_not_repeated(lark: Emulator, do: Do, message: str) -> None:
    lark.fault(path="*/urgent_phone", drop="after")
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.messaging.urgent(message, ["alice"], kind="phone"))
    assert urgents(lark) == [("phone", ["alice"])]


def test_each_refusal_says_the_next_step(lark: Emulator, do: Do, message: str) -> None:
    lark.settings(urgent_sms_quota=0)
    with pytest.raises(ConflictError, match="let an admin buy more"):
        do(lambda c: c.messaging.urgent(message, ["alice"], kind="sms"))
    lark.settings(urgent_unread_limit=0)
    with pytest.raises(ConflictError, match="unread urgent messages"):
        do(lambda c: c.messaging.urgent(message, ["alice"]))
    lark.change_app(scopes=["im:message", "im:message.urgent"])
    with pytest.raises(PermissionDeniedError, match=r"im:message\.urgent:phone"):
        do(lambda c: c.messaging.urgent(message, ["alice"], kind="phone"))


def test_scopes_and_pace_are_known() -> None:
    for kind in ("app", "sms", "phone"):
        assert f"PATCH {URGENT}_{kind}" in scopes.AREAS["urgent"]
        keys = {limit.key for limit in list_limits("PATCH", f"/open-apis/im/v1/messages/om_1/urgent_{kind}")}
        assert keys == {f"PATCH /open-apis/im/v1/messages/*/urgent_{kind} {seconds}" for seconds in (1, 60)}
    assert "urgent" not in scopes.USUAL
