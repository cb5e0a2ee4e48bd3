"""What is refused before sending, and where the error says it is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
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
    TableColumn,
    card_content,
    check,
    findings,
)
from lark_provider.api.cards.rules import review_card
from lark_provider.errors import InvalidRequestError
from lark_provider.support.once import Once
from tests.api.cards.generated import cards, objects

HR = {"tag": "hr"}
SEND = {"tag": "button", "name": "send", "form_action_type": "submit"}
SEND_1 = {"tag": "button", "name": "send", "action_type": "form_submit"}
TEXT: dict[str, Any] = {"tag": "div", "text": {"tag": "plain_text", "content": "a"}}
MD_TABLE = "| a | b |\n| --- | :-: |\n| 1 | 2 |"


def make_body(*elements: Mapping[str, Any], **root: Any) -> dict[str, Any]:
    return {"schema": "2.0", "body": {"elements": list(elements)}, **root}


def panels(levels: int) -> Mapping[str, Any]:
    inner: Mapping[str, Any] = HR
    for _ in range(levels):
        inner = {"tag": "collapsible_panel", "header": {}, "elements": [inner]}
    return inner


def make_card_1(*elements: Any, **root: Any) -> dict[str, Any]:
    return {"elements": list(elements), **root}


def make_form_1(*elements: Mapping[str, Any], name: str = "f") -> dict[str, Any]:
    return {"tag": "form", "name": name, "elements": list(elements)}


def make_table_1(*rows: Any, data_type: str = "text") -> dict[str, Any]:
    return {"tag": "table", "columns": [{"name": "a", "data_type": data_type}], "rows": list(rows)}


def make_columns_1(*elements: Any) -> dict[str, Any]:
    return {"tag": "column_set", "columns": [{"tag": "column", "elements": list(elements)}]}


def in_form(*elements: Mapping[str, Any]) -> dict[str, Any]:
    return make_body({"tag": "form", "name": "f", "elements": [*elements, SEND]})


def make_panel_1() -> dict[str, Any]:
    """Return a panel of JSON 1.0 that counts as two elements."""
    title = {"tag": "plain_text", "content": "a"}
    return {"tag": "collapsible_panel", "header": {"title": title}, "elements": []}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"body": {"elements": []}}, "schema", "is missing"),
    ({"schema": "1.0", "body": {}}, "schema", "is '1.0'"),
    ({"schema": "2.0", "elements": [HR]}, "elements", "move them into body.elements"),
    (make_body({"tag": "action", "actions": []}), "body.elements[0].tag", "JSON 2.0 dropped"),
    (make_body({"tag": "note", "elements": []}), "body.elements[0].tag", "note(…)"),
    (make_body({"content": "a"}), "body.elements[0].tag", "must be a non-empty string, got None"),
    (make_body({"tag": "column", "elements": []}), "body.elements[0]", "column_set.columns"),
    (
        make_body({"tag": "column_set", "columns": [HR]}),
        "body.elements[0].columns[0]", "must be a column, got hr",
    ),
    (make_body({"tag": "column_set", "columns": {}}), "body.elements[0].columns", "must be a list, got dict"),
    (make_body({"tag": "div", "text": "a"}), "body.elements[0].text", "must be an object, got str"),
    (
        make_body(HR, {"tag": "table", "columns": [{"data_type": "text"}], "rows": []}),
        "body.elements[1].columns[0].name", "must be a non-empty string, got None",
    ),
    (
        make_body(ColumnSet([Column([Table(["a"], [])])])),
        "body.elements[0].columns[0].elements[0]", "is a table inside another component",
    ),
    (make_body(CollapsiblePanel("p", [Form("f", [])])), "body.elements[0].elements[0]", "is a form inside"),
    (make_body(panels(6)), "body.elements[0]" + ".elements[0]" * 5, "deeper than 5 levels"),
    (make_body({"tag": "form", "elements": []}), "body.elements[0].name", "must not be empty"),
    (in_form(Input("f")), "body.elements[0].elements[0].name", "must be unique, got 'f', as in body"),
    (make_body(Input("a"), Input("a")), "body.elements[1].name", "as in body.elements[0].name"),
    (make_body({"tag": "input", "name": 5}), "body.elements[0].name", "must be a string, got int"),
    (make_body(Hr(element_id="a"), Hr(element_id="a")), "body.elements[1].element_id", "must be unique"),
    (make_body(Hr(element_id="1a")), "body.elements[0].element_id", "beginning with a letter"),
    (make_body(Hr(element_id="a" * 21)), "body.elements[0].element_id", "at most 20"),
    (make_body(Hr(element_id="a-b")), "body.elements[0].element_id", "underscores"),
    (make_body(Hr(element_id="a\n")), "body.elements[0].element_id", "underscores"),
    (make_body(Element("brand_new", element_id="-")), "body.elements[0].element_id", "underscores"),
    (
        make_body(Element("brand_new", elements=[{"tag": "note"}])),
        "body.elements[0].elements[0].tag", "dropped",
    ),
    (make_body(*[Table(["a"], [])] * 6), "body.elements[5]", "has table 6"),
    (make_body(*[Table(["a"], [])] * 5, Markdown(MD_TABLE)), "body.elements[5]", "has table 6"),
    (make_body(Markdown("\n\n".join([MD_TABLE] * 6))), "body.elements[0]", "has table 6"),
    (make_body(*[HR] * 201), "body.elements[200]", "Lark takes 200"),
    (make_body(*[TEXT] * 101), "body.elements[100]", "is element 201, texts counted; Lark takes 200"),
    (make_body(*[HR] * 199, TEXT), "body.elements[199].text", "is element 201, texts counted"),
    ({"elements": [TEXT] * 101}, "elements[100]", "is element 201, texts counted"),
    (
        make_body({"tag": "div", "text": {"tag": "plain_text", "content": "a", "text_color": "#ff0000"}}),
        "body.elements[0].text.text_color", "must be the name of a colour, got '#ff0000'",
    ),
    (
        make_body(ColumnSet([Column([HR])], background_style="#fff")),
        "body.elements[0].background_style", "the name of a colour",
    ),
    (make_body(header={"template": "#3370ff"}), "header.template", "the name of a colour"),
    ({"header": {"template": "#3370ff"}, "elements": [HR]}, "header.template", "the name of a colour"),
    (
        make_body({"tag": "form", "name": "f", "elements": [HR]}),
        "body.elements[0]", "without a submit button",
    ),
    (
        make_body({"tag": "form", "name": "f", "elements": [{**SEND, "form_action_type": "reset"}]}),
        "body.elements[0]", "without a submit button",
    ),
    (
        {"elements": [{"tag": "form", "name": "f", "elements": [{"tag": "button", "name": "b"}]}]},
        "elements[0]", "without a submit button",
    ),
    (make_body(SEND), "body.elements[0].form_action_type", "inside a form only"),
    (
        in_form({"tag": "select_static", "name": "s", "initial_option": {"value": "1"}}),
        "body.elements[0].elements[0].initial_option", "got dict. Next: pass the `value` of one option",
    ),
    (
        make_body({"tag": "select_person", "initial_option": ["ou_1"]}),
        "body.elements[0].initial_option", "must be a string, got list",
    ),
    (
        make_body(Markdown("![a](pictures/b.png)")),
        "body.elements[0].content", "by its address 'pictures/b.png'",
    ),
    (
        make_body({"tag": "img", "img_key": "pictures/b.png", "alt": {"tag": "plain_text", "content": ""}}),
        "body.elements[0].img_key", "is the address 'pictures/b.png'",
    ),
    (
        make_body(Table([TableColumn("a", data_type="options")], [{"a": "x"}])),
        "body.elements[0].rows[0].a", "must be a value for a column of options, got str",
    ),
    (
        make_body(Table([TableColumn("a", data_type="options")], [{"a": [{"text": "x", "color": "#fff"}]}])),
        "body.elements[0].rows[0].a[0].color", "must be the name of a colour, got '#fff'",
    ),
    (make_card_1({"tag": "zz_unknown"}), "elements[0].tag", "'zz_unknown', which JSON 1.0 does not know"),
    (make_card_1({"tag": "audio"}), "elements[0].tag", "which JSON 1.0 does not know"),
    (make_card_1({**TEXT, "extra": {"tag": "zz_unknown"}}), "elements[0].extra.tag", "does not know"),
    (
        make_card_1(make_columns_1({"tag": "zz_unknown"})),
        "elements[0].columns[0].elements[0].tag", "does not know",
    ),
    (make_card_1(make_table_1({"b": "1"})), "elements[0].rows[0].b", "belongs to no column"),
    (
        make_card_1(make_table_1({"a": 1})),
        "elements[0].rows[0].a", "must be a value for a column of text, got int",
    ),
    (
        make_card_1(make_table_1({"a": {}})),
        "elements[0].rows[0].a", "must be a value for a column of text, got dict",
    ),
    (make_card_1(*[make_table_1()] * 6), "elements[5]", "has table 6"),
    (
        make_card_1({"tag": "chart", "chart_spec": {"axes": None}}),
        "elements[0].chart_spec.axes", "must be a list, got None",
    ),
    (make_card_1(make_panel_1(), *[HR] * 199), "elements[199]", "is element 201, texts counted"),
    ({"i18n_elements": {"zh_cn": [{"tag": "zz_unknown"}]}}, "i18n_elements.zh_cn[0].tag", "does not know"),
    ({"i18n_elements": {"zh_cn": [HR], "en_us": {}}}, "i18n_elements.en_us", "must be a list, got dict"),
    (
        {"i18n_elements": {"zh_cn": [HR], "en_us": [make_form_1({"tag": "button"})]}},
        "i18n_elements.en_us[0]", "without a submit button",
    ),
    (
        {"i18n_elements": {"zh_cn": [make_columns_1({"tag": "action", "actions": []})]}},
        "i18n_elements.zh_cn[0].columns[0].elements[0]", "is an action in a column",
    ),
    (
        {"i18n_elements": {"zh_cn": [make_form_1(SEND_1), {"tag": "input", "name": "f"}]}},
        "i18n_elements.zh_cn[1].name", "must be unique, got 'f'",
    ),
    ({"i18n_elements": {"zh_cn": [HR] * 201}}, "i18n_elements.zh_cn[200]", "is element 201"),
    (
        make_body(Button("a", value={"at": [dt.date(2026, 1, 1)]})),
        "body.elements[0].behaviors[0].value.at[0]", "must be a JSON value, got date",
    ),
    (make_body(Button("a", value={"x": float("nan")})), "body.elements[0].behaviors[0].value.x", "got nan"),
    (make_body(Button("a", value={"x": 2**64})), "body.elements[0].behaviors[0].value.x", "pass it as text"),
    (make_body(Button("a", value={1: "x"})), "body.elements[0].behaviors[0].value.1", "must be a string"),  # type: ignore[dict-item]
    (
        make_body(Button("a", value={"x": b"1"})),
        "body.elements[0].behaviors[0].value.x", "JSON value, got bytes",
    ),
    (make_body(Markdown("a\udc80")), "body.elements[0].content", "must be valid Unicode"),
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
    with pytest.raises(InvalidRequestError, match=r"body\.elements\[0\]\.text_color is unknown .* <font"):
        Card2([Markdown("a", text_color="red")])


def test_a_built_card_that_was_changed_is_refused_when_it_is_sent() -> None:
    card = Card2([Markdown("a")])
    card["body"]["elements"].append({"tag": "note", "elements": []})
    with pytest.raises(InvalidRequestError, match=r"body\.elements\[1\]\.tag"):
        card_content(card)


def test_a_card_within_itself_is_refused() -> None:
    panel: dict[str, Any] = {"tag": "brand_new"}
    panel["inner"] = panel
    with pytest.raises(InvalidRequestError, match="nested too deeply"):
        check(make_body(panel))


def test_the_size_is_adjustable() -> None:
    text = "x" * 31_000
    with pytest.raises(InvalidRequestError, match="must have at most 30720 bytes") as caught:
        Card2([Markdown(text)])
    assert caught.value.code == 230025
    card = Card2([Markdown(text)], max_bytes=40_000)
    assert card_content(card, max_bytes=40_000)
    with pytest.raises(InvalidRequestError, match="must have at most 30720 bytes"):
        card_content(card)


def test_mentions_count_too() -> None:
    full = Card2([HR] * 200)
    assert card_content(full)
    with pytest.raises(InvalidRequestError, match=r"body\.elements\[200\]"):
        card_content(full, mentions=["ou_1"])


@pytest.mark.parametrize(
    "card",
    [
        make_body(),
        make_body(panels(5)),
        make_body(*[HR] * 200),
        make_body(*[Table(["a"], [])] * 5),
        make_body(Markdown("\n\n".join([MD_TABLE] * 5))),
        make_body(Markdown("```\n" + "\n\n".join([MD_TABLE] * 9) + "\n```")),
        make_body(Markdown("a | b\n---\nno table\n" * 9)),
        make_body(Element("brand_new", anything={"goes": [1]}, elements=[HR])),
        make_body(Hr(element_id="a" * 20), Hr(element_id="")),
        make_body(
            {"tag": "div", "text": {"tag": "plain_text", "content": "a", "i18n_content": {"en_us": "a"}}}
        ),
        make_body(
            header={"title": {"tag": "plain_text", "content": "T"}, "i18n_text_tag_list": {"zh_cn": []}}
        ),
        make_body(
            {"tag": "table", "columns": [{"name": "a"}], "rows": [{"a": "1"}]}, {"tag": "div", "icon": None}
        ),
        make_body(Table(["a"], []), Table(["a"], []), Input("a")),
        in_form(Markdown("a"), SelectStatic("s", ["1"])),
        {"schema": "2.0"},
        make_body(*[TEXT] * 100),
        {"elements": [TEXT] * 100},
        make_body({**TEXT, "text": {**TEXT["text"], "text_color": "red-500"}}),
        make_body(
            {**TEXT, "text": {**TEXT["text"], "content": "<at id=on_1></at> ![a](https://a.example/b.png)"}}
        ),
        make_body(Markdown("`![a](b/c.png)`")),
        make_body(HR, config={"style": {"color": {"mine": {"light_mode": "rgba(1,2,3,0.5)"}}}}),
        in_form({"tag": "column_set", "columns": [{"tag": "column", "elements": [{**SEND, "name": "b"}]}]}),
        make_body({"tag": "form", "name": "f", "elements": [{**SEND_1, "name": "b"}]}),
        {"elements": [{"tag": "form", "name": "f", "elements": [SEND_1]}]},
        make_body({"tag": "select_static", "initial_option": "1", "options": [{"value": "1"}]}),
        {},
    ],
)
def test_what_lark_takes_passes(card: dict[str, Any]) -> None:
    check(card)
    check(orjson.dumps(card).decode())


@pytest.mark.parametrize(
    "card",
    [
        make_body(HR, config={"wide_screen_mode": True}),
        make_body({"tag": "button", "value": {"a": 1}}),
        make_body({"tag": "button", "value": "a", "url": "https://example.com"}),
        in_form({"tag": "button", "name": "b", "value": {"a": 1}, "url": "https://example.com"}),
        make_body(Table([TableColumn("a", data_type="options")], [{"a": [{"text": "x", "color": "red"}]}])),
        make_card_1(make_table_1({"a": "1"}, {})),
        make_card_1(make_table_1({"a": [{"text": "x", "color": "red"}]}, data_type="options")),
        make_card_1(make_columns_1(HR), make_form_1(SEND_1), {"tag": "chart", "chart_spec": {"axes": []}}),
        make_card_1({"tag": "collapsible_panel", "header": {"title": {"tag": "markdown", "content": "a"}}}),
        make_card_1({"tag": "hr", "img_key": "https://a.example/b.png", "name": 5}),  # 1.0 ignores these
        {"i18n_elements": {"zh_cn": [make_table_1()] * 2, "en_us": [make_table_1()] * 2}},
        {"header": {"title": {"tag": "plain_text", "content": "a"}}},
    ],
)
def test_what_lark_takes_passes_without_a_warning(card: dict[str, Any]) -> None:
    assert review_card(card) == []


@pytest.mark.parametrize(
    "card",
    [
        {"config": {"wide_screen_mode": True}, "elements": [{"tag": "note", "elements": []}]},
        {"elements": [{"tag": "action", "actions": [{"tag": "button", "value": {}}]}]},
        make_body({"tag": "markdown", "content": "a", "newer_than_us": 1}),
        {"type": "template", "data": {"template_id": "AAq1"}},
    ],
)
def test_hand_written_cards_go_out_as_they_are(card: dict[str, Any]) -> None:
    assert orjson.loads(card_content(card)) == card
    text = orjson.dumps(card, option=orjson.OPT_INDENT_2).decode()
    assert card_content(text) == text


@given(cards(), st.data())
def test_an_unknown_property_anywhere_is_a_warning_with_its_path(card: Card2, data: st.DataObject) -> None:
    mutant = orjson.loads(orjson.dumps(card))
    target, path = data.draw(st.sampled_from(list(objects(mutant))))
    target["zz_unknown"] = data.draw(st.none() | st.integers(0, 9) | st.just({}))
    place = f"{path}.zz_unknown" if path else "zz_unknown"
    assert place in [doubt.path for doubt in review_card(mutant)]


DOUBTFUL: list[tuple[dict[str, Any], str, str]] = [
    (make_card_1({"tag": "chart", "chart_spec": "a"}), "elements[0].chart_spec", "must be an object"),
    (make_card_1({**TEXT, "extra": {}}), "elements[0].extra", "must be a component"),
    (make_card_1({**TEXT, "extra": ""}), "elements[0].extra", "must be a component"),
    (make_card_1({"tag": "action", "actions": {}}), "elements[0].actions", "must be a list"),
    (make_body(i18n_header={}), "i18n_header", "unknown"),
    (make_body(header={"titel": {}}), "header.titel", "unknown"),
    (make_body(HR, {"tag": "markdown", "contents": "a"}), "body.elements[1].contents", "unknown"),
    (make_body({"tag": "button", "multi_url": {}}), "body.elements[0].multi_url", "unknown"),
    (make_body(Element("brand_new")), "body.elements[0].tag", "unknown"),
    (
        make_body(ColumnSet([Column([HR], corner_radius="8px")])),
        "body.elements[0].columns[0].corner_radius", "unknown",
    ),
    (in_form({"tag": "input"}), "body.elements[0].elements[0].name", "200530"),
    (make_body({"tag": "multi_select_static"}), "body.elements[0]", "outside a form"),
    (
        make_body({"tag": "interactive_container", "elements": [Table(["a"], [])]}),
        "body.elements[0].elements[0]", "table",
    ),
    (
        make_body({"tag": "table", "columns": [{"name": "a"}, {"name": "a"}], "rows": []}),
        "body.elements[0].columns[1].name", "also that of",
    ),
    (make_body({"tag": "overflow", "hover_tips": {}}), "body.elements[0].hover_tips", "unknown"),
    (
        make_body({"tag": "div", "text": {"tag": "plain_text", "text_color": "rgba(1,2,3,0.5)"}}),
        "body.elements[0].text.text_color", "must be the name of a colour, got 'rgba(1,2,3,0.5)'",
    ),
    (
        make_body(Table([TableColumn("a", data_type="options")], [{"a": [{"color": "rgba(1,2,3,1)"}]}])),
        "body.elements[0].rows[0].a[0].color", "must be the name of a colour",
    ),
    (
        make_card_1(make_table_1({"a": [{"text": "x", "color": "#fff"}]}, data_type="options")),
        "elements[0].rows[0].a[0].color", "must be the name of a colour, got '#fff'",
    ),
    (
        make_card_1({"tag": "div", "text": {"tag": "plain_text", "content": "a", "text_color": "#fff"}}),
        "elements[0].text.text_color", "must be the name of a colour",
    ),
    (make_card_1(header={"template": "rgb(1,2,3)"}), "header.template", "must be the name of a colour"),
    (
        make_card_1({"tag": "table", "columns": [{"data_type": "text"}]}),
        "elements[0].columns[0].name", "non-empty",
    ),
    (make_card_1({"tag": "table", "columns": ["a"]}), "elements[0].columns[0]", "must be an object"),
    (
        make_card_1(make_columns_1(make_table_1())),
        "elements[0].columns[0].elements[0]", "is a table inside another",
    ),
    (
        make_card_1(make_columns_1(make_form_1(SEND_1))),
        "elements[0].columns[0].elements[0]", "is a form inside another",
    ),
    (
        make_card_1({"tag": "column_set", "columns": [HR]}),
        "elements[0].columns[0].tag", "is 'hr', which Lark may",
    ),
    (make_card_1({"tag": "column_set", "columns": {}}), "elements[0].columns", "must be a list"),
    (
        make_card_1({"tag": "note", "elements": [{"tag": "zz_unknown"}]}),
        "elements[0].elements[0].tag", "zz_unknown",
    ),
    (make_card_1({"tag": "div", "text": {"tag": "markdown"}}), "elements[0].text.tag", "is 'markdown'"),
    (make_card_1({"tag": "div", "text": "a"}), "elements[0].text", "must be an object"),
    (make_card_1({"tag": "repeat"}), "elements[0].tag", "no component of JSON 1.0"),
    (make_card_1({"tag": "plain_text"}), "elements[0].tag", "no component of JSON 1.0"),
    (make_card_1({"tag": "input", "name": 5}), "elements[0].name", "must be a string"),
    (make_card_1({"tag": "img", "img_key": 5}), "elements[0].img_key", "must be a string, got int"),
    (make_card_1({"tag": "select_static", "initial_option": {}}), "elements[0].initial_option", "got dict"),
    (make_card_1({"tag": "select_img", "multi_select": True}), "elements[0]", "outside a form"),
    ({"i18n_elements": [HR]}, "i18n_elements", "must be an object"),
    ({"i18n_elements": {"en_us": None}}, "i18n_elements.en_us", "must be a list"),
    (
        {"i18n_elements": {"zh_cn": [make_form_1(SEND_1)], "en_us": [make_form_1({**SEND_1, "name": "b"})]}},
        "i18n_elements.en_us[0].name", "occurs in another language as well",
    ),
    ({"i18n_elements": {"zh_cn": [HR] * 101, "en_us": [HR] * 100}}, "i18n_elements", "all languages"),
    (
        {"i18n_elements": {"zh_cn": [make_table_1()] * 3, "en_us": [make_table_1()] * 3}},
        "i18n_elements", "all languages together",
    ),
    ({}, "elements", "is missing, so that the card is blank"),
    ({"schema": "1.0"}, "elements", "is missing, so that the card is blank"),
    ({"card": make_body(HR)}, "card", "is a card within the card, which Lark ignores"),
    (make_body(config={"update_multi": False}), "config.update_multi", "always shared"),
    ({"schema": "2.0"}, "body", "blank"),
]  # fmt: skip


@pytest.mark.parametrize(("card", "path", "what"), DOUBTFUL)
def test_what_lark_may_refuse_or_ignore_is_logged_and_passes(
    card: dict[str, Any],
    path: str,
    what: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(findings, "_logged", Once())
    check(card)
    check(card)
    (record,) = caplog.records  # the same doubt is logged once
    assert record.levelname == "WARNING"
    assert record.__dict__["card_path"] == path
    assert what in record.__dict__["reason"]
    assert record.__dict__["next_step"]


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
        {"elements": content},
        {"i18n_elements": content},
        {"i18n_elements": {"en_us": content}},
        {"elements": [content, {"tag": "table", "columns": content, "rows": content}]},
    ):
        try:
            check(card)
        except InvalidRequestError as error:
            assert "Next: " in str(error)  # noqa: PT017 - either outcome is right; only a crash is not
