"""Messages with a key are sent once, also after Lark's hour."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import (
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
    TokenAcquisitionError,
)
from lark_provider.protocol.ledger_entry import LedgerEntry, LedgerState
from lark_provider.protocol.tokens import App
from lark_provider.storage import ledger_admin, tables, urls
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.message_ledger import MessageLedger
from tests.client.conftest import CHAT, MESSAGES, count, messages

Do = Callable[[Callable[[Any], Any]], Any]
pytestmark = pytest.mark.usefixtures("database")
HOURS_2 = 2 * 3600.0


def say(text: str = "hi", **options: Any) -> Any:
    return (
        LarkServiceClient(max_retries=1)
        .messaging.send_text(CHAT, text, idempotency_key="key", **options)
        .data
    )


def pass_hours(lark: Emulator, database: str) -> None:
    """Let two hours pass, for Lark and for the ledger."""
    lark.advance(HOURS_2)
    rows = tables.ledger
    with hold_transaction(get_engine(urls.parse(database, "test"))) as connection:
        for row in connection.execute(sa.select(rows.c.id, rows.c.sent_at)).all():
            earlier = row.sent_at - timedelta(seconds=HOURS_2)
            connection.execute(rows.update().where(rows.c.id == row.id).values(sent_at=earlier))


def lose(lark: Emulator, drop: str) -> None:
    lark.fault("POST", "/open-apis/im/v1/messages", drop=drop, times=9)
    with pytest.raises(OutcomeUnknownError):
        say()
    lark.clear_faults()


def test_a_repeat_sends_nothing_also_after_larks_hour(lark: Emulator, database: str, do: Do) -> None:
    def send(client: Any) -> Any:
        return client.messaging.send_text(CHAT, "hi", idempotency_key="key")

    first = do(send).data
    pass_hours(lark, database)
    again = do(send)
    assert again.data == {name: first[name] for name in again.data}
    assert (again.data["message_id"], again.msg) == (first["message_id"], "sent before")
    assert (count(lark, MESSAGES), len(messages(lark))) == (1, 1)


def test_every_way_to_send_has_a_ledger(lark: Emulator, database: str, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_text("a,b")
    messaging = LarkServiceClient().messaging
    card = {"schema": "2.0", "body": {"elements": []}}

    def all_of_them() -> list[str]:
        sent = messaging.send(CHAT, "a", idempotency_key="1").data["message_id"]
        return [
            sent,
            messaging.send_post(CHAT, "**b**", idempotency_key="2").data["message_id"],
            messaging.send_card(CHAT, card, idempotency_key="3").data["message_id"],
            messaging.send_file(CHAT, file, idempotency_key="4").data["message_id"],
            messaging.reply(sent, "c", idempotency_key="5").data["message_id"],
        ]

    first = all_of_them()
    pass_hours(lark, database)
    assert all_of_them() == first
    assert count(lark, "POST /open-apis/im/v1/files") == 1
    assert len(messages(lark)) == 5


@pytest.mark.parametrize("drop", ["before", "after"])
def test_within_the_hour_an_uncertain_message_is_sent_again_under_its_uuid(lark: Emulator, drop: str) -> None:
    lose(lark, drop)
    say()
    assert len(messages(lark)) == 1


@pytest.mark.parametrize("drop", ["before", "after"])
def test_after_the_hour_the_policy_decides(lark: Emulator, database: str, drop: str) -> None:
    lose(lark, drop)
    arrived = int(drop == "after")
    pass_hours(lark, database)
    with pytest.raises(
        OutcomeUnknownError, match=r"an attempt 2\.0 h ago had no answer.* on_unknown="
    ) as error:
        say()
    assert "ledger forget" in str(error.value)
    assert say(on_unknown="skip")["message_id"] == ""
    assert len(messages(lark)) == arrived
    sent = say(on_unknown="resend")["message_id"]
    assert len(messages(lark)) == arrived + 1
    assert say()["message_id"] == sent


def test_a_message_that_was_forgotten_is_sent_again_within_the_hour(lark: Emulator, database: str) -> None:
    first = say()["message_id"]
    url = urls.parse(database, "test")
    (entry,) = ledger_admin.list_entries(url, kind="message")
    ledger_admin.forget(url, entry.id)
    again = say()["message_id"]
    assert again != first
    assert say()["message_id"] == again


def test_a_message_that_was_refused_may_be_sent_again(lark: Emulator, database: str) -> None:
    lark.fault("POST", "/open-apis/im/v1/messages", status=400, code=230022)
    with pytest.raises(LarkAPIError, match="230022"):
        say("bad words")
    pass_hours(lark, database)
    assert say("good words")["message_id"]
    assert [message["content"] for message in messages(lark)] == [{"text": "good words"}]


def test_a_refusal_after_an_uncertain_attempt_decides_nothing(lark: Emulator, database: str) -> None:
    lose(lark, "after")
    lark.fault("POST", "/open-apis/im/v1/messages", status=400, code=230002)
    with pytest.raises(LarkAPIError, match="230002"):
        say()
    pass_hours(lark, database)
    with pytest.raises(OutcomeUnknownError):
        say()
    assert len(messages(lark)) == 1


def test_a_message_that_wrong_credentials_kept_back_is_sent_later(lark: Emulator, database: str) -> None:
    with pytest.raises(TokenAcquisitionError):
        LarkServiceClient(lark.app_id, "wrong").messaging.send_text(CHAT, "hi", idempotency_key="key")
    pass_hours(lark, database)
    assert say()["message_id"]
    assert len(messages(lark)) == 1


def test_a_refusal_does_not_count_while_another_attempt_tries_the_same_message(database: str) -> None:
    ledger = MessageLedger(urls.parse(database, "test"), App("https://open.feishu.cn", "cli_a", ""))
    first = ledger.begin("oc_1", "key", "token 1")
    second = ledger.begin("oc_1", "key", "token 1")
    ledger.refuse(first)
    assert ledger.begin("oc_1", "key", "token 1").state is LedgerState.PENDING
    assert (first.is_new, second.is_new) == (True, False)


def test_of_two_attempts_that_renew_a_token_the_first_one_is_new(database: str) -> None:
    ledger = MessageLedger(urls.parse(database, "test"), App("https://open.feishu.cn", "cli_a", ""))
    ledger.refuse(ledger.begin("oc_1", "key", "token 1"))
    entry = ledger.begin("oc_1", "key", "token 1")
    assert entry.state is LedgerState.REFUSED
    first, second = ledger.resend(entry, "token 2"), ledger.resend(entry, "token 2")
    assert (first.is_new, second.is_new) == (True, False)
    ledger.refuse(first)
    assert ledger.begin("oc_1", "key", "token 1").state is LedgerState.PENDING


def test_what_another_attempt_has_sent_meanwhile_is_not_sent_under_the_next_token(
    lark: Emulator, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(lark, "before")
    pass_hours(lark, database)
    resend, others = MessageLedger.resend, list[str | None]()

    def resend_after_another(ledger: MessageLedger, entry: LedgerEntry, token: str) -> LedgerEntry:
        if not others:
            others.append(None)
            others[:] = [say(on_unknown="resend")["message_id"]]
            pass_hours(lark, database)
        return resend(ledger, entry, token)

    monkeypatch.setattr(MessageLedger, "resend", resend_after_another)
    assert [say(on_unknown="resend")["message_id"]] == others
    assert len(messages(lark)) == 1
    assert say()["message_id"] == others[0]


def test_neither_receiver_nor_content_is_stored(lark: Emulator, database: str) -> None:
    LarkServiceClient().messaging.send_text(
        CHAT, "the secret plan", idempotency_key="to ann@example.com +8613800138000"
    )
    (entry,) = ledger_admin.list_entries(urls.parse(database, "test"))
    assert entry.name == "to ***@example.com ***00"
    assert set(entry.result) == {"message_id", "chat_id", "msg_type", "create_time"}
    with hold_transaction(get_engine(urls.parse(database, "test")), reading=True) as connection:
        row = str(connection.execute(sa.select(tables.ledger)).one())
    assert "secret plan" not in row
    assert "ann@" not in row


def test_an_unknown_policy_is_refused(lark: Emulator) -> None:
    with pytest.raises(InvalidRequestError, match="on_unknown must be one of fail, resend, skip"):
        say(on_unknown="retry")


def test_a_database_that_is_unavailable_never_stops_a_message(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    with caplog.at_level(logging.WARNING):
        first = say()["message_id"]
        assert say()["message_id"] == first  # Lark knows the key for an hour
    assert len(messages(lark)) == 1
    assert sum("Shared database unavailable" in record.message for record in caplog.records) == 1


def test_a_message_without_a_key_leaves_no_row(lark: Emulator, database: str) -> None:
    LarkServiceClient().messaging.send_text(CHAT, "x")
    LarkServiceClient().messaging.send_text(CHAT, "x", uuid="u1")
    assert ledger_admin.list_entries(urls.parse(database, "test")) == []


def test_a_key_of_nobody_fails_as_before(lark: Emulator) -> None:
    with pytest.raises(LarkError):
        LarkServiceClient().messaging.send_text("oc_nobody", "x", idempotency_key="k")
