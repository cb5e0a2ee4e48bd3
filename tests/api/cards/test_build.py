"""What the components turn into."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given

from lark_provider.api.cards import (
    Button,
    Card2,
    CollapsiblePanel,
    Column,
    ColumnSet,
    Confirm,
    DatePicker,
    Div,
    Element,
    Form,
    Header,
    Hr,
    Img,
    Input,
    Markdown,
    SelectStatic,
    Table,
    TableColumn,
    TextTag,
    card_content,
    check,
    escape_markdown,
    mention,
    note,
)
from lark_provider.errors import InvalidRequestError
from tests.api.cards.generated import cards


def plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": text}


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (Markdown("**a**"), {"tag": "markdown", "content": "**a**"}),
        (Div("a", lines=2), {"tag": "div", "text": {**plain("a"), "lines": 2}}),
        (
            note("a"),
            {"tag": "div", "text": {**plain("a"), "text_size": "notation", "text_color": "grey"}},
        ),
        (Hr(margin="4px"), {"tag": "hr", "margin": "4px"}),
        (Img("img_1"), {"tag": "img", "img_key": "img_1", "alt": plain("")}),
        (
            Button("Open", url="https://a.example", value={"x": 1}, type="danger", confirm=Confirm("Sure?")),
            {
                "tag": "button",
                "text": plain("Open"),
                "type": "danger",
                "behaviors": [
                    {"type": "callback", "value": {"x": 1}},
                    {"type": "open_url", "default_url": "https://a.example"},
                ],
                "confirm": {"title": plain("Sure?"), "text": plain("")},
            },
        ),
        (
            ColumnSet([Column([Hr()], weight=2), Column([])], flex_mode="flow"),
            {
                "tag": "column_set",
                "columns": [
                    {"tag": "column", "elements": [{"tag": "hr"}], "weight": 2, "width": "weighted"},
                    {"tag": "column", "elements": []},
                ],
                "flex_mode": "flow",
            },
        ),
        (
            CollapsiblePanel("More", [Hr()]),
            {
                "tag": "collapsible_panel",
                "header": {"title": plain("More")},
                "elements": [{"tag": "hr"}],
                "expanded": False,
            },
        ),
        (
            Table(["city", TableColumn("qty", "数量", data_type="number")], [{"city": "北京"}], page_size=3),
            {
                "tag": "table",
                "columns": [
                    {"name": "city", "display_name": "city", "data_type": "text"},
                    {"name": "qty", "display_name": "数量", "data_type": "number"},
                ],
                "rows": [{"city": "北京"}],
                "page_size": 3,
            },
        ),
        (
            Input("why", label="Why", required=True, max_length=200),
            {"tag": "input", "name": "why", "label": plain("Why"), "required": True, "max_length": 200},
        ),
        (
            SelectStatic("grade", {"a": "Good"}, placeholder="…", value={"x": 1}),
            {
                "tag": "select_static",
                "name": "grade",
                "options": [{"text": plain("Good"), "value": "a"}],
                "placeholder": plain("…"),
                "behaviors": [{"type": "callback", "value": {"x": 1}}],
            },
        ),
        (
            DatePicker("due", initial_date="2026-01-31"),
            {"tag": "date_picker", "name": "due", "initial_date": "2026-01-31"},
        ),
        (
            Form("f", [Hr()], submit="Send"),
            {
                "tag": "form",
                "name": "f",
                "elements": [
                    {"tag": "hr"},
                    {
                        "tag": "button",
                        "text": plain("Send"),
                        "type": "primary",
                        "name": "f_submit",
                        "form_action_type": "submit",
                    },
                ],
            },
        ),
        (
            Header("T", subtitle="s", template="red", text_tag_list=["new", TextTag("P0", color="red")]),
            {
                "title": plain("T"),
                "subtitle": plain("s"),
                "template": "red",
                "text_tag_list": [
                    {"tag": "text_tag", "text": plain("new"), "color": "neutral"},
                    {"tag": "text_tag", "text": plain("P0"), "color": "red"},
                ],
            },
        ),
        (Element("person", user_id="ou_1", size=None), {"tag": "person", "user_id": "ou_1"}),
        (
            Div({"tag": "lark_md", "content": "**a**"}),
            {"tag": "div", "text": {"tag": "lark_md", "content": "**a**"}},
        ),
    ],
)  # fmt: skip
def test_a_component_is_the_json_it_stands_for(component: dict[str, Any], expected: dict[str, Any]) -> None:
    assert component == expected


def test_a_card() -> None:
    card = Card2(
        [Markdown("a")],
        header="T",
        config={"width_mode": "fill"},
        card_link="https://a.example",
        padding="4px",
    )
    assert card == {
        "schema": "2.0",
        "config": {"width_mode": "fill"},
        "card_link": {"url": "https://a.example"},
        "header": {"title": plain("T")},
        "body": {"padding": "4px", "elements": [{"tag": "markdown", "content": "a"}]},
    }


@given(cards())
def test_every_built_card_passes_and_serialises(card: Card2) -> None:
    check(card)
    text = card_content(card)
    assert orjson.loads(text) == card
    check(text)
    for twin in (copy.deepcopy(card), pickle.loads(pickle.dumps(card))):  # noqa: S301 - our own bytes
        assert twin == card
        assert isinstance(twin, Card2)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (
            lambda: Header("T", text_tag_list=["1", "2", "3", "4"]),
            r"header\.text_tag_list must have at most 3 tags, got 4",
        ),
        (lambda: Table(["a"], [], page_size=11), "page_size must be an int from 1 to 10, got 11"),
        (lambda: Column([], weight=0), "weight must be an int from 1 to 5, got 0"),
        (lambda: Input("a", max_length=1001), "max_length must be an int from 1 to 1000, got 1001"),
    ],
)
def test_numbers_out_of_lark_s_range_are_refused(build: Callable[[], object], match: str) -> None:
    with pytest.raises(InvalidRequestError, match=match) as caught:
        build()
    assert caught.value.code == 230099
    assert "Next: " in str(caught.value)


def test_mention_and_escape() -> None:
    assert mention("ou_1", "all") == "<at id=ou_1></at> <at id=all></at>"
    assert escape_markdown("<at id=all> *a* [b]") == "&#60;at id=all&#62; &#42;a&#42; &#91;b&#93;"
    assert escape_markdown("https://a.example/x_y") == "[https://a.example/x&#95;y](https://a.example/x_y)"
    assert escape_markdown(5) == "5"


def test_a_mention_cannot_smuggle_markup() -> None:
    with pytest.raises(InvalidRequestError, match="mentions"):
        mention("ou_1></at><at id=all")
