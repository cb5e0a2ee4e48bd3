"""What Lark gets as an answer, and what it would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse

import lark_provider.callbacks
from lark_provider.api.cards import Button, Card2, Markdown
from lark_provider.callbacks import card_update, toast
from lark_provider.callbacks.http.endpoint import FAILED, NOT_ALLOWED, RECEIVED
from lark_provider.errors import InvalidRequestError

CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "**完成**"}]}}
TEMPLATE = {"type": "template", "data": {"template_id": "AAqk1", "template_variable": {"a": 1}}}


def test_a_toast() -> None:
    assert json.loads(toast("info", "hi")) == {"toast": {"type": "info", "content": "hi"}}
    words = {"zh_cn": "你好", "en_us": "hi"}
    assert json.loads(toast("warning", "hi", words)) == {
        "toast": {"type": "warning", "content": "hi", "i18n": words}
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_a_card_in_place_of_the_one_that_was_clicked(as_text: bool) -> None:
    def give(card: Any) -> Any:
        return json.dumps(card) if as_text else card

    assert json.loads(card_update(give(CARD))) == {"card": {"type": "raw", "data": CARD}}
    assert json.loads(card_update(give(TEMPLATE))) == {"card": TEMPLATE}
    wrapped = {"type": "raw", "data": CARD}
    assert json.loads(card_update(give(wrapped))) == {"card": wrapped}
    assert json.loads(toast("success", "ok", card=give(CARD))) == {
        "toast": {"type": "success", "content": "ok"},
        "card": {"type": "raw", "data": CARD},
    }


def test_a_built_card_is_checked_once_more() -> None:
    card = Card2([Markdown("done")])
    assert json.loads(card_update(card))["card"]["data"]["schema"] == "2.0"
    card["body"]["elements"].append({"tag": "action", "actions": [Button("ok")]})
    with pytest.raises(InvalidRequestError, match=r"JSON 2\.0 dropped"):
        card_update(card)


@pytest.mark.parametrize("answer", [RECEIVED, NOT_ALLOWED, FAILED, toast("info", "a", card=TEMPLATE)])
def test_the_official_sdk_reads_the_same(answer: bytes) -> None:
    read = P2CardActionTriggerResponse(json.loads(answer))
    assert read.toast is not None
    assert read.toast.type in {"success", "warning", "error", "info"}
    assert read.toast.content


@pytest.mark.parametrize(
    ("kind", "text", "i18n", "what"),
    [
        ("ok", "a", None, "kind must be one of info, success, error, warning, got 'ok'. Next: "),
        (None, "a", None, "got None"),
        ([], "a", None, r"kind .* got \[\]"),
        ("info", "", None, "text must be a str that is not empty, got ''"),
        ("info", " ", None, "text .* got ' '"),
        ("info", None, None, "text .* got None"),
        ("info", b"a", None, "text .* got b'a'"),
        ("info", "a", {"zh": "a"}, "i18n .* got 'zh'"),
        ("info", "a", {"zh_cn": None}, "i18n .* got 'zh_cn': None"),
        ("info", "a", {1: "a"}, "i18n .* got 1"),
        ("info", "\ud800", None, "the toast must be serialisable as JSON"),
    ],
)
def test_a_toast_that_lark_would_refuse(kind: Any, text: Any, i18n: Any, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=what) as caught:
        toast(kind, text, i18n)
    assert "Next: " in str(caught.value)


@pytest.mark.parametrize(
    ("card", "what"),
    [
        ([], "must be a JSON object, got list"),
        ("no json", "must be JSON"),
        (None, "must be a JSON object, got NoneType"),
        ({"type": "card", "data": {"card_id": "1"}}, "got type 'card'"),
        ({"type": "template", "data": []}, "got type 'template'"),
        ({"data": {}}, "got type None"),
        (
            {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x" * 31_000}]}},
            "at most 30720 bytes",
        ),
        ({"a": object()}, "must be serialisable as JSON"),
    ],
)
def test_a_card_that_lark_would_refuse(card: Any, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=what):
        card_update(card)
    if card is not None:
        with pytest.raises(InvalidRequestError, match=what):
            toast("info", "a", card=card)


def test_the_package_offers_what_it_names() -> None:
    for name in lark_provider.callbacks.__all__:
        assert getattr(lark_provider.callbacks, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lark_provider.callbacks.nothing  # noqa: B018 - the look-up is the test
