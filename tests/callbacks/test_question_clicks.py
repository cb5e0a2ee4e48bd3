"""Cards of Airflow's questions in the local Lark: sent, filled in and clicked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.cards.airflow import notices
from lark_provider.api.cards.airflow.ended import make_ended_card
from lark_provider.api.cards.airflow.question import make_question_card
from lark_provider.callbacks import CallbackKeys, CardClick, Gateway
from lark_provider.callbacks.http.app import application
from lark_provider.protocol.hitl.answers import OPTIONS, InvalidAnswerError, read_answer
from lark_provider.protocol.hitl.keys import get_action, get_card_key, make_card_key
from lark_provider.protocol.hitl.model import End, HitlAnswer, HitlQuestion, TaskInstance
from lark_provider.protocol.language import LANGUAGES
from lark_provider.protocol.waits import get_correlation
from tests.api.cards.clicking import read_untouched
from tests.callbacks.parts import FakeSink, KnownKeys
from tests.callbacks.serving import serve
from tests.protocol.hitl import generated

CHAT, ALICE = "oc_emulator_data_team", "ou_emulator0001_alice"
KEY = make_card_key("a-uuid", "cli_app", CHAT)
FORM: dict[str, dict[str, Any]] = {
    "reason": {"value": None, "description": "Why?", "schema": {"type": "string", "title": "Reason"}},
    "rows": {"value": 3, "schema": {"type": "integer", "minimum": 1, "maximum": 9}},
    "env": {"value": "test", "schema": {"type": "string", "enum": ["test", "live"]}},
    "notify": {"value": ["a"], "schema": {"type": "array", "examples": ["a", "b", "c"]}},
    "force": {"value": False, "schema": {"type": "boolean"}},
    "day": {"value": "2026-11-26", "schema": {"type": "string", "format": "date"}},
    "at": {"value": "2026-11-26T20:15:00+00:00", "schema": {"type": "string", "format": "date-time"}},
    "note": {"value": None, "schema": {"type": ["null", "string"], "format": "multiline"}},
}
QUESTION = HitlQuestion(
    TaskInstance("a-uuid", "sales", "manual__2026-11-26", "publish"),
    "Publish the report?",
    body="**336,776** rows of *sales*.\n\n| region | rows |\n|---|---|\n| north | 200,000 |",
    options=("Approve", "Reject"),
    defaults=("Reject",),
    params=FORM,
    deadline=datetime(2026, 11, 27, 8, tzinfo=UTC),
    url="https://airflow.example/required_actions",
)


@pytest.fixture
def place() -> FakeSink:
    return FakeSink()


@pytest.fixture
def client(lark: Emulator, place: FakeSink) -> Iterator[LarkServiceClient]:
    """Yield a client of an app whose clicks arrive in `place`."""
    lark.settings(rate_limits=False)
    gateway = Gateway(KnownKeys(CallbackKeys(lark.app_id, "a key", "a token")), [place])
    with serve(application(gateway)) as url, LarkServiceClient() as client:
        lark.set_callback(
            f"{url}/lark/callbacks/{lark.app_id}", encrypt_key="a key", verification_token="a token"
        )
        yield client


def send(client: LarkServiceClient, card: Any) -> str:
    return str(client.messaging.send_card(CHAT, card).data["message_id"])


def perform_click(lark: Emulator, place: FakeSink, message_id: str, button: str, **options: Any) -> CardClick:
    result = lark.click(message_id, "alice", button, **options)
    assert (result["status"], result["code"]) == (200, 0), result["error"]
    click = place.stored[-1]
    assert isinstance(click, CardClick)
    return click


@pytest.mark.parametrize("submit_value", ["sent", "left_out"])
def test_a_form_is_filled_in_and_answered(
    lark: Emulator, client: LarkServiceClient, place: FakeSink, submit_value: str
) -> None:
    lark.settings(submit_value=submit_value)
    card = make_question_card(QUESTION, key=KEY, language="en", mentions=[ALICE], timezone="Asia/Shanghai")
    message_id = send(client, card)
    form = read_untouched(card) | {
        "param:reason": "checked",
        "param:rows": "7",
        "param:env": '"live"',
        "param:notify": ['"b"', '"c"'],
        "param:force": "true",
        "param:day": "2026-12-01 +0800",
    }
    click = perform_click(lark, place, message_id, "Approve", form_value=form, timezone="Asia/Shanghai")
    if submit_value == "sent":
        assert get_card_key(get_correlation(click)) == KEY
        assert get_action(click.action.value) == "answer"
    assert read_answer(QUESTION, click.action) == HitlAnswer(
        ("Approve",),
        {
            "reason": "checked",
            "rows": 7,
            "env": "live",
            "notify": ["b", "c"],
            "force": True,
            "day": "2026-12-01",
            "at": "2026-11-26T20:15:00+00:00",
            "note": None,
        },
    )


def test_an_invalid_answer_is_corrected_on_the_same_card(
    lark: Emulator, client: LarkServiceClient, place: FakeSink
) -> None:
    message_id = send(client, make_question_card(QUESTION, key=KEY, language="zh"))
    click = perform_click(
        lark, place, message_id, "Reject", form_value={"param:reason": "no", "param:rows": "77"}
    )
    with pytest.raises(InvalidAnswerError) as caught:
        read_answer(QUESTION, click.action)
    notice = notices.describe_invalid(QUESTION, ALICE, caught.value.errors, "zh")
    again = make_question_card(
        QUESTION, key=KEY, language="zh", notice=notice, values=click.action.form_value, mentions=[ALICE]
    )
    client.messaging.update_card(message_id, again)
    form = read_untouched(again)
    assert (form["param:rows"], form["param:reason"]) == ("77", "no")
    click = perform_click(lark, place, message_id, "Reject", form_value=form | {"param:rows": "2"})
    answer = read_answer(QUESTION, click.action)
    assert (answer.options, answer.params["rows"], answer.params["reason"]) == (("Reject",), 2, "no")
    end = End("answered", answer.options, answer.params, "alice", ALICE, click.created_at)
    client.messaging.update_card(message_id, make_ended_card(QUESTION, end, language="zh"))
    with pytest.raises(ValueError, match="components that call back: none"):
        lark.click(message_id, "alice", "Reject")


def test_one_option_of_several_and_several(
    lark: Emulator, client: LarkServiceClient, place: FakeSink
) -> None:
    plain = replace(QUESTION, params={}, options=("A", "B", "C"))
    click = perform_click(lark, place, send(client, make_question_card(plain, key=KEY, language="en")), "B")
    assert read_answer(plain, click.action) == HitlAnswer(("B",))
    several = replace(plain, multiple=True)
    message_id = send(client, make_question_card(several, key=KEY, language="en"))
    chosen = {OPTIONS: ["option:2", "option:0"]}
    click = perform_click(lark, place, message_id, "Submit", form_value=chosen)
    assert read_answer(several, click.action) == HitlAnswer(("C", "A"))
    assert get_card_key(get_correlation(click)) == KEY


def test_a_failed_answer_is_asked_again(lark: Emulator, client: LarkServiceClient, place: FakeSink) -> None:
    end = End("failed", ("Approve",), person="alice", open_id=ALICE, detail="state mismatch")
    message_id = send(client, make_ended_card(QUESTION, end, language="en", ask_again_key=KEY))
    click = perform_click(lark, place, message_id, "Ask again")
    assert (get_card_key(get_correlation(click)), get_action(click.action.value)) == (KEY, "ask_again")


@given(st.data(), generated.questions(), st.sampled_from(LANGUAGES))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_lark_takes_every_card(
    lark: Emulator, client: LarkServiceClient, data: st.DataObject, question: HitlQuestion, language: Any
) -> None:
    card = make_question_card(question, key=KEY, language=language, mentions=[ALICE])
    message_id = send(client, card)
    end = data.draw(generated.ends(question))
    client.messaging.update_card(
        message_id, make_ended_card(question, end, language=language, ask_again_key=KEY)
    )
