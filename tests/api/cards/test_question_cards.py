"""Cards of Airflow's questions: what Lark takes, what cannot act as markup, and what does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lark_provider.api.cards import card_content
from lark_provider.api.cards.airflow import notices
from lark_provider.api.cards.airflow.ended import SENT_AGAIN, make_ended_card
from lark_provider.api.cards.airflow.limits import MAX_BYTES
from lark_provider.api.cards.airflow.markdown import render_card_markdown
from lark_provider.api.cards.airflow.question import make_question_card
from lark_provider.api.cards.rules import review_card
from lark_provider.api.cards.values import count_tables
from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.hitl.answers import OPTIONS, InvalidAnswerError, read_answer
from lark_provider.protocol.hitl.keys import get_card_key
from lark_provider.protocol.hitl.model import Assignee, End, EndKind, HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.params import make_form_fields
from lark_provider.protocol.language import LANGUAGES, Language
from lark_provider.protocol.waits import CORRELATION
from tests.api.cards.clicking import action_on, read_untouched
from tests.protocol.hitl import generated

TASK = TaskInstance("a-uuid", "sales", "manual__2026", "ask", 3, 2)
WHO = "ou_emulator0001_alice"
QUESTION = HitlQuestion(
    TASK,
    "Publish *it*?",
    body="**336,776** rows",
    options=("Approve", "Reject"),
    defaults=("Reject",),
    assignees=(Assignee("3", "bob_*"),),
    deadline=datetime(2026, 11, 27, 8, tzinfo=UTC),
    url="https://airflow.example/required_actions",
)
NUMBER: dict[str, Any] = {
    "value": 3,
    "description": "How many",
    "schema": {"type": "integer", "minimum": 1, "maximum": 9},
}
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def nodes(card: Any) -> Iterator[dict[str, Any]]:
    if isinstance(card, dict):
        yield card
    for inner in card.values() if isinstance(card, dict) else card if isinstance(card, list) else ():
        yield from nodes(inner)


def find_tagged(card: Any, *tags: str) -> list[dict[str, Any]]:
    return [node for node in nodes(card) if node.get("tag") in tags]


def join_texts(card: Any) -> str:
    return "\n".join(str(node["content"]) for node in nodes(card) if "content" in node)


def callbacks(card: Any) -> list[dict[str, Any]]:
    return [node["value"] for node in nodes(card) if node.get("type") == "callback"]


def fits(card: Any) -> None:
    assert review_card(card) == []
    assert len(orjson.dumps(card)) <= MAX_BYTES
    card_content(card)


@given(st.data(), generated.questions(), st.sampled_from(LANGUAGES))
@many
def test_every_question_has_a_card_and_what_it_shows_can_be_sent(
    data: st.DataObject, question: HitlQuestion, language: Language
) -> None:
    card = make_question_card(
        question, key="k" * 64, language=language, mentions=[WHO], timezone="Asia/Shanghai"
    )
    fits(card)
    pressed = {button["name"] for button in find_tagged(card, "button") if button.get("name")}
    assert {value[CORRELATION] for value in callbacks(card)} <= {"airflow:" + "k" * 64}
    if not pressed:
        assert "Airflow" in join_texts(card)
        return
    form = read_untouched(card)
    if OPTIONS in form:
        form[OPTIONS] = ["option:0"] if question.multiple else "option:0"
    action = action_on(card, data.draw(st.sampled_from(sorted(pressed))), form)
    required = {field.name for field in make_form_fields(question.params) if field.required}
    errors: Any = {}
    try:
        answer = read_answer(question, action)
    except InvalidAnswerError as error:
        errors = error.errors
    else:
        assert answer.params == {name: param["value"] for name, param in question.params.items()}
    assert errors.keys() == required
    if errors:
        notice = notices.describe_invalid(question, WHO, errors, language)
        fits(
            make_question_card(question, key="k", language=language, notice=notice, values=action.form_value)
        )


@given(st.data(), generated.questions(), st.sampled_from(LANGUAGES))
@many
def test_every_end_has_a_card(data: st.DataObject, question: HitlQuestion, language: Language) -> None:
    end = data.draw(generated.ends(question))
    card = make_ended_card(question, end, language=language, timezone="+08:00", ask_again_key="k")
    fits(card)
    actions = [value["action"] for value in callbacks(card)]
    assert actions == (["ask_again"] if end.kind == "failed" else [])
    if end.open_id is None:
        assert "<at id=" not in join_texts(card)


@given(generated.MARKDOWN, st.integers(50, 2000))
@example("- item\n" * 10, 209)
@many
def test_markdown_neither_mentions_nor_refuses_the_card(text: str, limit: int) -> None:
    shown = render_card_markdown(text * 3, limit, "SHORTENED")
    assert "<at" not in shown
    assert "![" not in shown
    assert count_tables("markdown", {"content": shown}) <= 4
    # Line ends around it do not count.
    assert len((text * 3).replace("\r\n", "\n").strip("\n")) <= limit or "SHORTENED" in shown.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a <b>c</b> < d", "a &#60;b>c&#60;/b> < d"),
        ("<https://a.example/x>", "[https://a.example/x](https://a.example/x)"),
        ("![alt](https://a.example/b.png)", "[alt](https://a.example/b.png)"),
        ("`![a] <at>`", "`!\u200b[a] <\u200bat>`"),
        ("```\n<at id=all>\n```\n<at>", "```\n<\u200bat id=all>\n```\n&#60;at>"),
        ("x\r\ny\n", "x\ny"),
    ],
)
def test_markdown_is_shown_as_it_is_written(given: str, shown: str) -> None:
    assert render_card_markdown(given, 1000, "…") == shown


def test_code_that_is_cut_is_closed() -> None:
    assert render_card_markdown("```\n" + "line\n" * 50, 60, "CUT").endswith("line\n```\n\nCUT")


def test_a_question_is_shown() -> None:
    card = make_question_card(QUESTION, key="k", language="en", mentions=[WHO], timezone="Asia/Shanghai")
    assert card["header"]["title"] == {"tag": "plain_text", "content": "Publish *it*?"}
    assert card["header"]["subtitle"]["content"] == "sales · ask[3]"
    shown = join_texts(card)
    assert f"**Assigned to** bob&#95;&#42; <at id={WHO}></at>" in shown
    assert "⏰ Until 2026-11-27 16:00 CST · if nobody answers by then: **Reject**" in shown
    assert "Run manual__2026 · try 2" in shown
    approve, reject, page = find_tagged(card, "button")
    assert [button["type"] for button in (approve, reject, page)] == ["primary", "danger", "text"]
    assert page["behaviors"] == [{"type": "open_url", "default_url": QUESTION.url}]
    assert approve["behaviors"][0]["value"] == {
        "action": "answer",
        "option": "Approve",
        CORRELATION: "airflow:k",
    }
    assert get_card_key(approve["behaviors"][0]["value"][CORRELATION]) == "k"
    chinese = join_texts(make_question_card(replace(QUESTION, defaults=None), key="k", language="zh"))
    assert "⏰ 截止 2026-11-27 08:00 UTC · 逾期无人回答则任务失败" in chinese


def test_what_is_entered_stays_on_the_card_with_what_is_wrong() -> None:
    question = replace(QUESTION, params={"n": {**NUMBER, "schema": {**NUMBER["schema"], "title": "Count"}}})
    card = make_question_card(question, key="k", language="en")
    (field,) = find_tagged(card, "input")
    assert (field["default_value"], field["placeholder"]["content"]) == ("3", "Left empty: 3")
    assert "**Count**\n<font color='grey'>How many · 1 to 9</font>" in join_texts(card)
    action = action_on(card, "option:0", {"param:n": "99"})
    with pytest.raises(InvalidAnswerError) as caught:
        read_answer(question, action)
    notice = notices.describe_invalid(question, WHO, caught.value.errors, "zh")
    assert notice.endswith("- **Count** 不能大于 9")
    again = make_question_card(question, key="k", language="zh", notice=notice, values=action.form_value)
    assert find_tagged(again, "input")[0]["default_value"] == "99"
    assert notice in join_texts(again)


def test_several_options_are_a_menu_and_so_are_many() -> None:
    several = make_question_card(replace(QUESTION, multiple=True), key="k", language="en")
    (menu,) = find_tagged(several, "multi_select_static")
    assert [option["value"] for option in menu["options"]] == ["option:0", "option:1"]
    crowd = replace(QUESTION, options=tuple(f"Option {number}" for number in range(30)))
    (menu,) = find_tagged(make_question_card(crowd, key="k", language="en"), "select_static")
    assert len(menu["options"]) == 30
    long = replace(QUESTION, options=("a" * 150 + "1", "a" * 150 + "2"))
    card = make_question_card(long, key="k", language="en")
    assert "2. " + "a" * 150 + "2" in join_texts(card)
    assert [button["text"]["content"][:3] for button in find_tagged(card, "button")[:2]] == ["1. ", "2. "]


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (replace(QUESTION, options=tuple(map(str, range(300))), multiple=True), "do not fit"),
        (replace(QUESTION, params={f"p{n}": NUMBER for n in range(100)}), "do not fit"),
        (replace(QUESTION, params={"x" * 30_000: NUMBER}), "do not fit"),
        (replace(QUESTION, params={"p": {"value": "", "schema": {"format": "password"}}}), "a password"),
    ],
)
def test_what_does_not_fit_is_answered_in_airflow(question: HitlQuestion, why: str) -> None:
    card = make_question_card(question, key="k", language="en", notice=notices.describe_repeat("en"))
    fits(card)
    assert why in join_texts(card)
    assert callbacks(card) == []
    assert find_tagged(card, "button")[-1]["behaviors"][0]["default_url"] == QUESTION.url


def test_a_long_body_is_shortened_and_long_values_are_left_out() -> None:
    card = make_question_card(replace(QUESTION, body="字" * 50_000), key="k", language="zh")
    fits(card)
    assert "…… 内容过长" in join_texts(card)
    assert len(find_tagged(card, "button")) == 3
    long: dict[str, dict[str, Any]] = {
        f"p{n}": {"value": "字" * 900, "schema": {"type": "string"}} for n in range(15)
    }
    question = replace(QUESTION, params=long)
    card = make_question_card(question, key="k", language="zh")
    fits(card)
    answer = read_answer(question, action_on(card, "option:0", read_untouched(card)))
    assert answer.params == {name: param["value"] for name, param in long.items()}


@pytest.mark.parametrize(
    ("kind", "color", "part"),
    [
        ("answered", "red", f"**Reject** · <at id={WHO}></at> · bob · 2026-11-27 16:00 CST\n**Count:** 3"),
        ("defaulted", "yellow", "The default counts\n**Reject**"),
        ("timed_out", "grey", "**Expired** · 2026-11-27 16:00 CST"),
        ("superseded", "grey", "The task was run again, and asks again. Answer the new card."),
        ("withdrawn", "grey", "The task was cleared, marked or stopped in Airflow."),
        ("failed", "red", "After the answer, Airflow reported a state mismatch, and the task failed."),
    ],
)
def test_an_end_is_shown(kind: EndKind, color: str, part: str) -> None:
    schema = {"type": "integer", "title": "Count"}
    question = replace(QUESTION, params={"n": {"value": 1, "schema": schema}})
    end = End(kind, ("Reject",), {"n": 3}, "bob", WHO, QUESTION.deadline)
    card = make_ended_card(question, end, language="en", timezone="Asia/Shanghai")
    assert card["header"]["template"] == color
    assert part in join_texts(card)
    assert callbacks(card) == []
    assert f"[Airflow]({QUESTION.url})" in join_texts(card)
    assert join_texts(make_ended_card(question, end, language="zh")) != join_texts(card)


def test_why_nobody_can_answer_any_more_is_shown() -> None:
    shown = join_texts(make_ended_card(QUESTION, End("withdrawn", detail="success"), language="en"))
    assert "State in Airflow: success" in shown
    resent = join_texts(make_ended_card(QUESTION, End("withdrawn", detail=SENT_AGAIN), language="en"))
    assert "**Superseded**\nThe question was sent again on a new card" in resent
    assert "cleared" not in resent


def test_ends_show_labels_instead_of_values() -> None:
    params: dict[str, dict[str, Any]] = {
        "env": {"value": 1, "schema": {"enum": [1, 2], "values_display": {"1": "Test", "2": "Live"}}},
        "on": {"value": ["a"], "schema": {"type": "array", "examples": ["a", "b"]}},
        "b": {"value": True, "schema": {"type": "boolean"}},
    }
    end = End("answered", ("Approve",), {"env": 2, "on": ["a", "b"], "b": False}, at=QUESTION.deadline)
    shown = join_texts(make_ended_card(replace(QUESTION, params=params), end, language="zh"))
    assert "**env:** Live\n**on:** a, b\n**b:** 否" in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_notices_name_the_person_and_cannot_act_as_markup(language: Language) -> None:
    refused = notices.describe_refusal(WHO, {"zh": "<at id=all>", "en": "<at id=all>"}, language)
    assert "<at id=all>" not in refused
    assert f"<at id={WHO}></at>" in refused
    with pytest.raises(InvalidRequestError):
        notices.describe_refusal("ou_1></at>", "busy", language)
    assert (
        json.dumps(notices.describe_invalid(QUESTION, WHO, {OPTIONS: "x" * 900}, language)).count("x") < 310
    )
