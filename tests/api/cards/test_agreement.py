"""What the product refuses the emulator refuses, and what the builders make the emulator takes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lark_emulator import Emulator
from lark_emulator.im import card_schema
from tests.emulator.live_cards import ACCEPTED, REFUSED, SEND, card, form

from lark_provider import LarkServiceClient
from lark_provider.api.cards import Card2, card_content, notice_card, shapes, table_card
from lark_provider.api.cards.approval import make_approval_card, make_decided_card
from lark_provider.api.cards.findings import Doubt
from lark_provider.api.cards.rules import review_card
from lark_provider.errors import InvalidRequestError
from tests.api.cards import test_rules
from tests.api.cards.generated import TEXT, cards, objects
from tests.api.cards.generated_json1 import cards_1, flawed_cards_1

CHAT = "oc_emulator_data_team"
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"
KNOWN_RULES = ["schema", "nesting", "container_table", "multi_select"]
#: Refused here although no answer of Lark says so, by the place in the card: such a card shows nothing, or
#: JSON turns its value into another one.
STRICTER = {
    "schema": "Lark ignores the body, and shows a blank card",
    "body.elements[1].columns[0].name": "no cell can belong to the column",
    "body.elements[0].behaviors[0].value.x": "the number would arrive rounded",
    "body.elements[0].behaviors[0].value.1": "the name would arrive as text",
}
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def client(lark: Emulator) -> LarkServiceClient:
    lark.settings(rate_limits=False)
    return LarkServiceClient()


@pytest.fixture
def picture(client: LarkServiceClient) -> str:
    return client.messaging.upload_image(PICTURE).data["image_key"]


def send(client: LarkServiceClient, content: Mapping[str, Any] | str) -> str:
    """Send a card without the product's checks.

    Returns:
        Lark's refusal, or "" if it took the card.
    """
    raw = content if isinstance(content, str) else json.dumps(content)
    body = {"receive_id": CHAT, "msg_type": "interactive", "content": raw}
    try:
        client.call("POST", "/open-apis/im/v1/messages", params={"receive_id_type": "chat_id"}, json=body)
    except InvalidRequestError as refusal:
        return str(refusal)
    return ""


def review(content: Mapping[str, Any]) -> tuple[str, list[Doubt]]:
    """Check a card by the product.

    Returns:
        The refusal, or "" with the warnings.
    """
    try:
        return "", review_card(content)
    except InvalidRequestError as refusal:
        return str(refusal), []


def _is_json(content: Any) -> bool:
    try:
        json.dumps(content)
    except TypeError:  # a date, or bytes
        return False
    return True


@pytest.mark.parametrize(
    ("content", "path"), [(content, path) for content, path, _ in test_rules.REFUSED if _is_json(content)]
)
def test_what_the_product_refuses_the_emulator_refuses(
    client: LarkServiceClient, content: Any, path: str
) -> None:
    assert send(client, content) or path in STRICTER


def test_only_json_cannot_be_compared() -> None:
    left_out = [path for content, path, _ in test_rules.REFUSED if not _is_json(content)]
    assert left_out == ["body.elements[0].behaviors[0].value.at[0]", "body.elements[0].behaviors[0].value.x"]


@pytest.mark.parametrize(("content", "_code", "_text"), REFUSED)
def test_what_lark_has_refused_the_product_refuses(content: Any, _code: int, _text: str) -> None:
    with pytest.raises(InvalidRequestError, match="Next: "):
        card_content(content)


@pytest.mark.parametrize("content", ACCEPTED)
def test_what_lark_has_taken_the_product_sends(content: Any) -> None:
    assert orjson.loads(card_content(content)) == content


@quick
@given(data=st.data())
def test_what_the_builders_make_the_emulator_takes(
    client: LarkServiceClient, picture: str, data: st.DataObject
) -> None:
    assert send(client, data.draw(cards(picture))) == ""


@quick
@given(data=st.data())
def test_healthy_cards_of_json_1_pass_on_both_sides(
    client: LarkServiceClient, picture: str, data: st.DataObject
) -> None:
    content = data.draw(cards_1(picture))
    assert send(client, content) == ""
    assert review_card(content) == []


@settings(quick, max_examples=200)
@given(data=st.data())
def test_a_card_of_json_1_is_refused_on_both_sides_or_has_a_warning(
    client: LarkServiceClient, picture: str, data: st.DataObject
) -> None:
    """Hold both directions: the product refuses no other card, and is silent about none that is refused."""
    content = data.draw(flawed_cards_1(picture))
    refusal = send(client, content)
    own_refusal, doubts = review(content)
    if own_refusal:
        assert refusal, f"only the product refuses the card: {own_refusal}"
    else:
        assert doubts or not refusal


WORDS = st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=4)
READY: dict[str, st.SearchStrategy[Card2]] = {
    "notice": st.builds(
        notice_card,
        TEXT,
        TEXT,
        level=st.sampled_from(["info", "success", "warning", "error"]),
        fields=st.none() | WORDS,
        link=st.none() | st.just("https://a.example") | st.just({"A": "https://a.example", "B": "https://b"}),
        subtitle=st.none() | TEXT,
        text_tag_list=st.lists(TEXT, max_size=3),
        footnote=TEXT,
    ),
    "table": st.builds(
        table_card,
        TEXT,
        st.lists(
            st.dictionaries(
                TEXT.filter(bool), TEXT | st.integers() | st.none() | st.dates(dt.date(2000, 1, 1))
            ),
            max_size=4,
        ),
        page_size=st.integers(1, 10),
    ),
    "approval": st.builds(
        make_approval_card,
        TEXT,
        TEXT,
        WORDS,
        correlation=st.just("w1"),
        fields=st.just([]) | st.just([{"tag": "input", "name": "why"}]),
    ),
    "decided": st.builds(
        make_decided_card,
        TEXT,
        TEXT,
        st.sampled_from(["approved", "rejected", "expired"]),
        label=TEXT,
        open_id=st.just("ou_emulator0001_alice"),
        answers=st.none() | WORDS,
    ),
}


@quick
@given(data=st.data())
@pytest.mark.parametrize("kind", READY)
def test_ready_made_cards_are_taken(client: LarkServiceClient, kind: str, data: st.DataObject) -> None:
    assert send(client, data.draw(READY[kind])) == ""


@quick
@given(data=st.data())
def test_an_unknown_property_is_a_warning_here_and_passes_a_lark_that_knows_it(
    lark: Emulator, client: LarkServiceClient, picture: str, data: st.DataObject
) -> None:
    mutant = orjson.loads(orjson.dumps(data.draw(cards(picture))))
    target, path = data.draw(st.sampled_from(list(objects(mutant))))
    target["zz_newer"] = data.draw(st.none() | st.integers(0, 9) | st.just({}))
    assert [doubt.path for doubt in review_card(mutant)] == [f"{path}.zz_newer" if path else "zz_newer"]
    lark.settings(card_rules=KNOWN_RULES)
    assert send(client, mutant) == ""
    lark.settings(card_rules=[*KNOWN_RULES, "properties"])
    assert "unknown property, property: zz_newer" in send(client, mutant)


def test_an_unknown_tag_is_a_warning_here_and_passes_a_lark_that_knows_it(
    lark: Emulator, client: LarkServiceClient
) -> None:
    newer = card({"tag": "zz_newer", "anything": 1})
    assert [doubt.path for doubt in review_card(newer)] == ["body.elements[0].tag"]
    assert "not supported tag: zz_newer" in send(client, newer)
    lark.settings(card_rules=KNOWN_RULES)
    assert send(client, newer) == ""


def whole(kind: str, depth: int = 0) -> Any:
    """Return an object with every property in the product's table, with nested objects filled in as well."""
    if kind.endswith("[]"):
        return [] if kind in ("element[]", "column[]") else [whole(kind.removesuffix("[]"), depth)]
    properties = {
        name: whole(inner, depth + 1) if inner else None for name, inner in shapes.OBJECTS[kind].items()
    }
    tags = {"text": "plain_text", "text_tag": "text_tag", "icon": "standard_icon"}
    return {**properties, "tag": tags[kind]} if kind in tags else properties


def place(tag: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card that contains a component in a place where it is allowed."""
    component = {**properties, "tag": tag}
    config = {"enable_forward": False}
    if tag == "column":
        return card({"tag": "column_set", "columns": [component]})
    if tag == "form":
        return card({**component, "name": "f", "elements": [SEND]})
    if tag in card_schema.FORM_ONLY:
        return card(form(component, SEND))
    return card(component, config=config)


@pytest.mark.parametrize("tag", shapes.COMPONENTS)
def test_every_property_of_the_product_is_known_to_the_emulator(client: LarkServiceClient, tag: str) -> None:
    shape = shapes.COMPONENTS[tag]
    properties = {name: whole(kind) if kind else None for name, kind in shape.items()}
    if tag == "audio":
        assert "300240" in send(client, place(tag, properties))  # the only objection is the missing file
    else:
        assert send(client, place(tag, properties)) == ""


def test_every_property_of_the_card_is_known_to_the_emulator(client: LarkServiceClient) -> None:
    assert send(client, {**whole("card"), "schema": "2.0"}) == ""


@pytest.mark.parametrize("tag", sorted(card_schema.SLOTS["component"] | {"column"}))
def test_every_property_of_the_emulator_is_known_to_the_product(tag: str) -> None:
    doubts = review_card(place(tag, dict.fromkeys(card_schema.TAGS[tag])))
    assert [doubt for doubt in doubts if "unknown" in doubt.what] == []


@pytest.mark.parametrize("kind", sorted(shapes.OBJECTS.keys() & card_schema.OBJECTS.keys()))
def test_objects_have_the_same_properties_on_both_sides(kind: str) -> None:
    translated = {f"i18n_{name}" for name in shapes.TRANSLATED}
    assert shapes.OBJECTS[kind].keys() == card_schema.OBJECTS[kind].keys() - translated


def test_a_template_passes(lark: Emulator, client: LarkServiceClient) -> None:
    lark.settings(card_templates=["AAq"])
    template = {"type": "template", "data": {"template_id": "AAq", "template_variable": {"a": 1}}}
    assert send(client, card_content(template)) == ""
