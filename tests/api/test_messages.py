"""Messages and cards before they are sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api import messaging
from lark_provider.api.cards import card_content
from lark_provider.api.receivers import make_receiver
from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.calls import Call
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.operations import CallOrProcedure
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.store import Shared


def one(operation: CallOrProcedure[Any]) -> Call[Any]:
    """Return the only request of an operation; if it is a procedure, run it without a ledger."""
    if isinstance(operation, Call):
        return operation
    assert isinstance(next(operation), Shared)
    call = operation.send(None)
    assert isinstance(call, Call)
    return call


def read_body(operation: CallOrProcedure[Any]) -> dict[str, Any]:
    payload: dict[str, Any] = orjson.loads(one(operation).body or b"")
    return payload


@pytest.mark.parametrize(
    ("receiver_id", "id_type"),
    [
        ("ou_1", "open_id"), ("on_1", "union_id"), ("oc_1", "chat_id"), ("a@b.example", "email"),
        ("e2f1", "user_id"), ("12345678", "user_id"), ("+8613800000001", "mobile"), ("+a@b.example", "email"),
    ],
)  # fmt: skip
def test_the_kind_of_a_receiver_shows_in_its_shape(receiver_id: str, id_type: str) -> None:
    assert make_receiver(receiver_id) == (receiver_id, id_type)


def test_a_kind_that_is_named_wins() -> None:
    assert make_receiver("ou_1", "user_id") == ("ou_1", "user_id")
    assert make_receiver("138-0000-0001", "mobile") == ("+8613800000001", "mobile")


@pytest.mark.parametrize("receiver_id", ["+", "+86", "+86abc", "+0138000000", "+8613800000001x"])
def test_a_mobile_number_that_cannot_be_is_refused(receiver_id: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"mobile must be a number with \+ .* Next: pass it alone"):
        messaging.send_text(receiver_id, "x")


@pytest.mark.parametrize("receiver_id", ["", "  ", None, 5])
def test_a_receiver_that_cannot_be_is_refused(receiver_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match="receiver_id"):
        make_receiver(receiver_id)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"receiver_id_type must be one of .* got 'phone'"):
        make_receiver("x", "phone")  # type: ignore[arg-type]


def test_text_carries_mentions_and_is_serialised() -> None:
    call = one(messaging.send_text("oc_1", "数据 ✅", mentions=["ou_1", "all"]))
    assert call.params == {"receive_id_type": "chat_id"}
    content = orjson.loads(read_body(call)["content"])
    assert content == {"text": '数据 ✅ <at user_id="ou_1"></at> <at user_id="all"></at>'}
    assert not call.idempotent


def test_a_mention_cannot_smuggle_markup() -> None:
    with pytest.raises(InvalidRequestError, match="mentions"):
        messaging.send_text("oc_1", "x", mentions=['ou_1"></at><at user_id="all'])


def test_a_post_comes_from_markdown_or_as_it_is() -> None:
    call = messaging.send_post("oc_1", "**hi**", title="T", mentions=["ou_1"])
    assert orjson.loads(read_body(call)["content"]) == {
        "zh_cn": {
            "title": "T",
            "content": [[{"tag": "md", "text": "**hi**"}], [{"tag": "at", "user_id": "ou_1"}]],
        }
    }
    given_post = {"en_us": {"title": "", "content": [[{"tag": "text", "text": "x"}]]}}
    assert orjson.loads(read_body(messaging.send_post("oc_1", given_post))["content"]) == given_post
    with pytest.raises(InvalidRequestError, match='without an outer "post"'):
        messaging.send_post("oc_1", {"post": given_post})


@pytest.mark.parametrize("card", ["not json", "[]", "", "{", "5"])
def test_a_card_that_is_not_json_is_refused(card: Any) -> None:
    with pytest.raises(InvalidRequestError, match="card"):
        messaging.send_card("oc_1", card)


def test_sizes_are_checked_before_sending() -> None:
    with pytest.raises(InvalidRequestError, match="153600") as text:
        messaging.send_text("oc_1", "x" * 153_600)
    assert text.value.code == 230025
    assert text.value.http_status is None
    messaging.send_text("oc_1", "x" * 153_000)
    large = {"elements": [{"tag": "markdown", "content": "x" * 31_000}]}
    with pytest.raises(InvalidRequestError, match="30720"):
        messaging.send_card("oc_1", large)
    messaging.send_card("oc_1", large, max_bytes=40_000)
    with pytest.raises(InvalidRequestError, match="post"):
        messaging.send_post("oc_1", "字" * 11_000)


def test_card_text_is_sent_as_it_was_written() -> None:
    card = '{ "schema": "2.0", "body": {"elements": []} }'
    assert card_content(card) == card


@pytest.mark.parametrize("card", [{"schema": "2.0", "body": {"elements": []}}, {"elements": []}])
def test_mentions_join_a_cards_elements(card: dict[str, Any]) -> None:
    content = orjson.loads(card_content(card, mentions=["ou_1"]))
    elements = content["body"]["elements"] if "body" in content else content["elements"]
    assert elements == [{"tag": "markdown", "content": "<at id=ou_1></at>"}]
    with pytest.raises(InvalidRequestError, match="template"):
        card_content({"type": "template", "data": {}}, mentions=["ou_1"])


def test_keys_become_uuids_that_lark_takes() -> None:
    keyed = messaging.send_text("oc_1", "x", idempotency_key="k" * 500)
    again = messaging.send_text("oc_1", "x", idempotency_key="k" * 500)
    other = messaging.send_text("oc_2", "x", idempotency_key="k" * 500)
    call = one(keyed)
    uuid = orjson.loads(call.body or b"")["uuid"]
    assert call.idempotent
    assert uuid == read_body(again)["uuid"] != read_body(other)["uuid"]
    assert len(uuid) <= 50
    assert read_body(messaging.send_text("oc_1", "x", uuid="u1"))["uuid"] == "u1"


@pytest.mark.parametrize(
    "keys", [{"uuid": "u", "idempotency_key": "k"}, {"uuid": "u" * 51}, {"idempotency_key": ""}]
)
def test_keys_that_cannot_be_are_refused(keys: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        messaging.send_text("oc_1", "x", **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "step"),
    [
        (object(), "pass dicts, lists, strings"),
        ("\ud800", "remove the lone surrogate"),
        (2**64, "pass an int of more than 64 bits as text"),
        ({1: 2}, "pass dicts whose keys are strings"),
    ],
)
def test_content_without_a_json_form_is_refused(more: object, step: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"content must be serialisable as JSON: .*Next: {step}"):
        messaging.send("oc_1", {"text": "hi", "more": more})


def test_path_segments_are_quoted_and_never_empty() -> None:
    assert fill_path("/a/{x}/b", x=" c&d:é ") == "/open-apis/a/c%26d%3A%C3%A9/b"
    with pytest.raises(InvalidRequestError, match="app_token must be a non-empty string, got ''"):
        fill_path("/a/{app_token}", app_token="")
    for climbing in ("..", ".", "%2e%2e", "../c", "c?d", "c#d"):
        with pytest.raises(InvalidRequestError, match=r"app_token must be an id.* Next: pass the app_token"):
            fill_path("/a/{app_token}", app_token=climbing)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip),
        min_size=1,
        max_size=4,
    )
)
def test_client_tokens_have_the_form_of_a_uuid4(parts: list[str]) -> None:
    token = make_client_token(*parts)
    assert token == make_client_token(*parts)
    assert token[14] == "4"
    assert token[19] in "89ab"
