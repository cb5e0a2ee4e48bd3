"""What is refused before sending, and where the error says it is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.cards import (
    Button,
    Card2,
    CollapsiblePanel,
    Column,
    ColumnSet,
    Element,
    Form,
    Hr,
    Input,
    Markdown,
    SelectStatic,
    Table,
    card_content,
    check,
)
from lark_provider.errors import InvalidRequestError
from tests.api.cards.generated import cards

HR = {"tag": "hr"}
MD_TABLE = "| a | b |\n| --- | :-: |\n| 1 | 2 |"


def body(*elements: Mapping[str, Any], **root: Any) -> dict[str, Any]:
    return {"schema": "2.0", "body": {"elements": list(elements)}, **root}


def panels(levels: int) -> Mapping[str, Any]:
    inner: Mapping[str, Any] = HR
    for _ in range(levels):
        inner = {"tag": "collapsible_panel", "header": {}, "elements": [inner]}
    return inner


def in_form(*elements: Mapping[str, Any]) -> dict[str, Any]:
    return body({"tag": "form", "name": "f", "elements": list(elements)})


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"body": {"elements": []}}, "schema", "is missing"),
    ({"schema": "1.0", "body": {}}, "schema", "is '1.0'"),
    ({"schema": "2.0", "elements": [HR]}, "elements", "move them into body.elements"),
    ({"schema": "2.0", "i18n_elements": {}}, "i18n_elements", "i18n_content"),
    ({"schema": "2.0", "i18n_header": {}}, "i18n_header", "i18n_content"),
    (body(config={"wide_screen_mode": True}), "config.wide_screen_mode", "use width_mode 'fill'"),
    (body(header={"title": {"tag": "plain_text", "text": "T"}}), "header.title.text", "unknown"),
    (body(header={"titel": {}}), "header.titel", "write 'title'"),
    (body(HR, {"tag": "markdown", "contents": "a"}), "body.elements[1].contents", "write 'content'"),
    (body({"tag": "button", "value": {}}), "body.elements[0].value", "use behaviors"),
    (body({"tag": "button", "url": "https://a"}), "body.elements[0].url", "use behaviors"),
    (body({"tag": "action", "actions": []}), "body.elements[0].tag", "JSON 2.0 dropped"),
    (body({"tag": "note", "elements": []}), "body.elements[0].tag", "note(…)"),
    (body({"content": "a"}), "body.elements[0].tag", "is None"),
    (body({"tag": "column", "elements": []}), "body.elements[0]", "column_set.columns"),
    (body({"tag": "column_set", "columns": [HR]}), "body.elements[0].columns[0]", "is a hr"),
    (body({"tag": "column_set", "columns": {}}), "body.elements[0].columns", "is a dict, not a list"),
    (body({"tag": "div", "text": "a"}), "body.elements[0].text", "is a str, not an object"),
    (
        body(HR, {"tag": "table", "columns": [{"data_type": "text"}], "rows": []}),
        "body.elements[1].columns[0].name", "is None",
    ),
    (
        body({"tag": "table", "columns": [{"name": "a"}, {"name": "a"}], "rows": []}),
        "body.elements[0].columns[1].name", "as is body.elements[0].columns[0].name",
    ),
    (
        body({"tag": "table", "columns": [{"name": "a", "type": "text"}], "rows": []}),
        "body.elements[0].columns[0].type", "unknown",
    ),
    (
        body(ColumnSet([Column([Table(["a"], [])])])),
        "body.elements[0].columns[0].elements[0]", "is a table inside another component",
    ),
    (body(CollapsiblePanel("p", [Form("f", [])])), "body.elements[0].elements[0]", "is a form inside"),
    (body(panels(6)), "body.elements[0]" + ".elements[0]" * 5, "deeper than 5 levels"),
    (body({"tag": "form", "elements": []}), "body.elements[0].name", "is empty"),
    (in_form({"tag": "input"}), "body.elements[0].elements[0].name", "is empty"),
    (in_form({"tag": "date_picker", "name": ""}), "body.elements[0].elements[0].name", "is empty"),
    (in_form(Button("Send", form_action_type="submit")), "body.elements[0].elements[0].name", "is empty"),
    (
        in_form(ColumnSet([Column([{"tag": "checker"}])])),
        "body.elements[0].elements[0].columns[0].elements[0].name", "is empty",
    ),
    (in_form(Input("f")), "body.elements[0].elements[0].name", "is 'f', as is body.elements[0].name"),
    (body(Input("a"), Input("a")), "body.elements[1].name", "as is body.elements[0].name"),
    (body({"tag": "input", "name": 5}), "body.elements[0].name", "is a int"),
    (body(Hr(element_id="a"), Hr(element_id="a")), "body.elements[1].element_id", "as is"),
    (body(Hr(element_id="1a")), "body.elements[0].element_id", "a letter at the beginning"),
    (body(Hr(element_id="a" * 21)), "body.elements[0].element_id", "at most 20"),
    (body(Hr(element_id="a-b")), "body.elements[0].element_id", "underscores"),
    (body(Hr(element_id="a\n")), "body.elements[0].element_id", "underscores"),
    (body(Element("brand_new", element_id="-")), "body.elements[0].element_id", "underscores"),
    (body(Element("brand_new", elements=[{"tag": "note"}])), "body.elements[0].elements[0].tag", "dropped"),
    (body(*[Table(["a"], [])] * 6), "body.elements[5]", "has table 6"),
    (body(*[Table(["a"], [])] * 5, Markdown(MD_TABLE)), "body.elements[5]", "has table 6"),
    (body(Markdown("\n\n".join([MD_TABLE] * 6))), "body.elements[0]", "has table 6"),
    (body(*[HR] * 201), "body.elements[200]", "Lark takes 200"),
    (
        body(Button("a", value={"at": [dt.date(2026, 1, 1)]})),
        "body.elements[0].behaviors[0].value.at[0]", "is a date, which JSON has not",
    ),
    (body(Button("a", value={"x": float("nan")})), "body.elements[0].behaviors[0].value.x", "is nan"),
    (body(Button("a", value={"x": 2**64})), "body.elements[0].behaviors[0].value.x", "pass it as text"),
    (body(Button("a", value={1: "x"})), "body.elements[0].behaviors[0].value.1", "is no text"),  # type: ignore[dict-item]
    (body(Button("a", value={"x": b"1"})), "body.elements[0].behaviors[0].value.x", "is a bytes"),
    (body(Markdown("a\udc80")), "body.elements[0].content", "no Unicode"),
]  # fmt: skip


@pytest.mark.parametrize(("card", "path", "what"), REFUSED)
def test_what_lark_refuses_is_refused_before_sending(card: dict[str, Any], path: str, what: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check(card)
    text = str(caught.value)
    assert text.startswith(f"The card's {path} "), text
    assert what in text
    assert re.search(r"\. Next: .+\.$", text)
    assert caught.value.code == 230099
    assert caught.value.http_status is None


def test_a_built_card_is_refused_when_it_is_built() -> None:
    with pytest.raises(InvalidRequestError, match=r"body\.elements\[0\]\.text_sise .* write 'text_size'"):
        Card2([Markdown("a", text_sise="large")])


def test_a_built_card_that_was_changed_is_refused_when_it_is_sent() -> None:
    card = Card2([Markdown("a")])
    card["body"]["elements"].append({"tag": "note", "elements": []})
    with pytest.raises(InvalidRequestError, match=r"body\.elements\[1\]\.tag"):
        card_content(card)


def test_a_card_within_itself_is_refused() -> None:
    panel: dict[str, Any] = {"tag": "brand_new"}
    panel["inner"] = panel
    with pytest.raises(InvalidRequestError, match="nested without end"):
        check(body(panel))


def test_the_size_is_adjustable() -> None:
    text = "x" * 31_000
    with pytest.raises(InvalidRequestError, match="Lark takes 30720") as caught:
        Card2([Markdown(text)])
    assert caught.value.code == 230025
    card = Card2([Markdown(text)], max_bytes=40_000)
    assert card_content(card, max_bytes=40_000)
    with pytest.raises(InvalidRequestError, match="Lark takes 30720"):
        card_content(card)


def test_mentions_count_too() -> None:
    full = Card2([HR] * 200)
    assert card_content(full)
    with pytest.raises(InvalidRequestError, match=r"body\.elements\[200\]"):
        card_content(full, mentions=["ou_1"])


@pytest.mark.parametrize(
    "card",
    [
        body(),
        body(panels(5)),
        body(*[HR] * 200),
        body(*[Table(["a"], [])] * 5),
        body(Markdown("\n\n".join([MD_TABLE] * 5))),
        body(Markdown("```\n" + "\n\n".join([MD_TABLE] * 9) + "\n```")),
        body(Markdown("a | b\n---\nno table\n" * 9)),
        body(Element("brand_new", anything={"goes": [1]}, elements=[HR])),
        body(Hr(element_id="a" * 20), Hr(element_id="")),
        body({"tag": "div", "text": {"tag": "plain_text", "content": "a", "i18n_content": {"en_us": "a"}}}),
        body(header={"title": {"tag": "plain_text", "content": "T"}, "i18n_text_tag_list": {"zh_cn": []}}),
        body({"tag": "table", "columns": [{"name": "a"}], "rows": [{"b": 1}]}, {"tag": "div", "icon": None}),
        body(Table(["a"], []), Table(["a"], []), Input("a")),
        in_form(Markdown("a"), SelectStatic("s", ["1"])),
        {"schema": "2.0"},
    ],
)
def test_what_lark_takes_passes(card: dict[str, Any]) -> None:
    check(card)
    check(orjson.dumps(card).decode())


@pytest.mark.parametrize(
    "card",
    [
        {"config": {"wide_screen_mode": True}, "elements": [{"tag": "note", "elements": []}]},
        {"elements": [{"tag": "action", "actions": [{"tag": "button", "value": {}}]}]},
        body({"tag": "markdown", "content": "a", "newer_than_us": 1}),
        {"type": "template", "data": {"template_id": "AAq1"}},
    ],
)
def test_hand_written_cards_go_out_as_they_are(card: dict[str, Any]) -> None:
    assert orjson.loads(card_content(card)) == card
    text = orjson.dumps(card, option=orjson.OPT_INDENT_2).decode()
    assert card_content(text) == text


def _objects(value: Any, path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Walk through the objects whose properties Lark knows: not the callback's value, not a table's rows."""
    if isinstance(value, dict):
        yield value, path
        for name, inner in value.items():
            if name not in {"value", "rows"}:
                yield from _objects(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _objects(inner, f"{path}[{index}]")


@given(cards(), st.data())
def test_an_unknown_property_anywhere_is_refused_with_its_path(card: Card2, data: st.DataObject) -> None:
    mutant = orjson.loads(orjson.dumps(card))
    target, path = data.draw(st.sampled_from(list(_objects(mutant))))
    target["zz_unknown"] = data.draw(st.none() | st.integers(0, 9) | st.just({}))
    place = f"{path}.zz_unknown" if path else "zz_unknown"
    with pytest.raises(InvalidRequestError, match="^" + re.escape(f"The card's {place} is unknown to Lark")):
        check(mutant)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["schema", "body", "header", "elements", "columns", "tag", "name", "text", "rows"])
        | st.text(max_size=3), inner, max_size=4),
))  # fmt: skip
def test_no_card_breaks_the_check(content: Any) -> None:
    for card in (
        content,
        {"schema": "2.0", "body": content},
        {"schema": "2.0", "body": {"elements": content}},
    ):
        try:
            check(card)
        except InvalidRequestError as error:
            assert "Next: " in str(error)  # noqa: PT017 - either outcome is right; only a crash is not
