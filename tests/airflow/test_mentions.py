"""`mentions=` of operators and notifiers: e-mail addresses, and that people are really mentioned."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.notifications import LarkNotifier
from lark_provider.operators import LarkSendMessageOperator, LarkUpdateMessageOperator
from tests.airflow.conftest import CHAT, connection

Context = Callable[..., Any]
ALICE = "alice@example.com"
CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "hi"}]}}
LOOKUP = "POST /open-apis/contact/v3/users/batch_get_id"


def open_id(email: str = ALICE) -> str:
    person_id = LarkServiceClient().contact.get_id(email)
    assert person_id is not None
    return person_id


def last(lark: Emulator) -> dict[str, Any]:
    message: dict[str, Any] = lark.state()["chats"][0]["messages"][-1]
    return message


def tell(**changes: Any) -> LarkSendMessageOperator:
    return LarkSendMessageOperator(**({"task_id": "t", "receiver_id": CHAT, "content": "hi"} | changes))


@pytest.mark.parametrize("mentions", [[ALICE], ALICE, [ALICE, ALICE]])
def test_a_text_mentions_people_by_e_mail(lark: Emulator, context: Context, mentions: Any) -> None:
    tell(mentions=mentions).execute(context())
    assert [mention["id"] for mention in last(lark)["mentions"]] == [open_id()]


@pytest.mark.parametrize("mentions", [[], "", None, ["all"]])
def test_nobody_is_looked_up_without_an_address(lark: Emulator, context: Context, mentions: Any) -> None:
    tell(mentions=mentions).execute(context())
    assert LOOKUP not in lark.state()["by_endpoint"]


@pytest.mark.parametrize(("msg_type", "content"), [("post", "hi"), ("interactive", CARD)])
def test_posts_and_cards_mention_people_by_e_mail(
    lark: Emulator, context: Context, msg_type: Any, content: Any
) -> None:
    tell(msg_type=msg_type, content=content, mentions=[ALICE, "all"]).execute(context())
    text = json.dumps(last(lark)["content"])
    assert open_id() in text
    assert "all" in text
    assert ALICE not in text


def test_a_reply_and_a_changed_text_mention_too(lark: Emulator, context: Context) -> None:
    first = tell().execute(context())
    answer = tell(reply_to=first, receiver_id=None, mentions=[ALICE]).execute(context(task_id="b"))
    assert [mention["id"] for mention in last(lark)["mentions"]] == [open_id()]
    bob = "bob@example.com"
    LarkUpdateMessageOperator(
        task_id="c", message_id=answer, content="new", msg_type="text", mentions=[bob]
    ).execute(context())
    assert [mention["id"] for mention in last(lark)["mentions"]] == [open_id(bob)]


@pytest.mark.parametrize(
    ("mentions", "text"),
    [
        (["nobody@example.com"], "NotFoundError: mentions must name accounts .*nobody@example.com"),
        ([5], "mentions must hold str only"),
    ],
)
def test_a_mention_that_cannot_be_is_named(
    lark: Emulator, context: Context, mentions: Any, text: str
) -> None:
    with pytest.raises(AirflowFailException, match=f"{text}.*Next: "):
        tell(mentions=mentions).execute(context())
    assert lark.state()["chats"][0]["messages"] == []


def test_a_redirected_message_looks_nobody_up(
    lark: Emulator, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"redirect_all_to": CHAT}))
    tell(mentions=ALICE).execute(context())
    assert last(lark)["content"] == {"text": f"[→ {CHAT} @{ALICE}] hi"}
    assert LOOKUP not in lark.state()["by_endpoint"]


@pytest.fixture
def notify(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    monkeypatch.setenv(
        "AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"owners": {"alice": ALICE, "left": "x@y.z"}})
    )

    def notify(**options: Any) -> dict[str, Any]:
        context: Any = {"run_id": "r", "reason": "timed_out"}
        LarkNotifier(receiver_id=CHAT, one_card_per_run=False, **options).notify(context)
        return last(lark)

    return notify


def test_a_notifiers_text_mentions_by_e_mail(lark: Emulator, notify: Callable[..., dict[str, Any]]) -> None:
    message = notify(msg_type="text", mentions=["alice", "left"])
    assert [mention["id"] for mention in message["mentions"]] == [open_id()]
    assert message["content"]["text"].count("@x@y.z") == 1
    assert ALICE not in message["content"]["text"]


def test_a_notifiers_post_mentions_by_e_mail(lark: Emulator, notify: Callable[..., dict[str, Any]]) -> None:
    assert open_id() in json.dumps(notify(msg_type="post", mentions="alice")["content"])


def test_a_notifier_that_may_look_nobody_up_names_people(
    lark: Emulator, notify: Callable[..., dict[str, Any]]
) -> None:
    lark.fault(path="*/batch_get_id", times=9, status=400, code=99991672, msg="Access denied")
    assert f"@{ALICE}" in notify(msg_type="text", mentions="alice")["content"]["text"]
