"""The ready-made cards."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider.api.cards import Card2, TableColumn, card_content, notice_card, table_card
from lark_provider.errors import InvalidRequestError


def elements(card: Card2) -> list[dict[str, Any]]:
    components: list[dict[str, Any]] = card["body"]["elements"]
    return components


@pytest.mark.parametrize(
    ("level", "template"),
    [("info", "blue"), ("success", "green"), ("warning", "orange"), ("error", "red")],
)
def test_a_level_shows_as_a_colour(level: Any, template: str) -> None:
    assert notice_card("T", level=level)["header"]["template"] == template


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"level must be one of info, success, .*, got 'fatal'"):
        notice_card("T", level="fatal")  # type: ignore[arg-type]


def test_a_notice_with_everything() -> None:
    card = notice_card(
        "Load failed",
        "**see** below",
        level="error",
        fields={"DAG": "load_flights", "Log": "https://a.example/x_y", "Said": "<at id=all></at>", "Try": 2},
        link="https://a.example",
        subtitle="2026-01-31",
        text_tag_list=["P0"],
        footnote="from Airflow",
    )
    text, fields, button, foot = elements(card)
    assert card["header"]["subtitle"]["content"] == "2026-01-31"
    assert card["header"]["text_tag_list"][0]["text"]["content"] == "P0"
    assert text["content"] == "**see** below"
    assert fields["content"].splitlines() == [
        "**DAG:** load&#95;flights",
        "**Log:** [https://a.example/x&#95;y](https://a.example/x_y)",
        "**Said:** &#60;at id=all&#62;&#60;/at&#62;",
        "**Try:** 2",
    ]
    assert button["behaviors"] == [{"type": "open_url", "default_url": "https://a.example"}]
    assert foot["text"]["text_size"] == "notation"


def test_several_links_stand_in_a_row() -> None:
    (row,) = elements(notice_card("T", link={"Log": "https://a.example", "Run": "https://b.example"}))
    assert [column["elements"][0]["text"]["content"] for column in row["columns"]] == ["Log", "Run"]


def test_rows_become_a_table() -> None:
    rows: list[dict[str, Any]] = [
        {"city": "北京", "qty": 3, "rate": 0.5, "big": 2**60, "gone": None},
        {"city": None, "qty": 4.5, "odd": 1},
    ]
    (table,) = elements(table_card("T", rows))
    assert [(column["name"], column["data_type"]) for column in table["columns"]] == [
        ("city", "text"), ("qty", "number"), ("rate", "number"), ("big", "text"), ("gone", "text"),
    ]  # fmt: skip
    assert table["rows"] == [{"city": "北京", "qty": 3, "rate": 0.5, "big": str(2**60)}, {"qty": 4.5}]


def test_mixed_and_missing_cells() -> None:
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": float("nan")},
        {"a": "x", "b": float("inf")},
        {"a": True, "b": Decimal("NaN")},
    ]
    (table,) = elements(table_card("T", rows))
    assert table["rows"] == [{"a": "1"}, {"a": "x", "b": "inf"}, {"a": "True"}]
    assert {column["data_type"] for column in table["columns"]} == {"text"}


def test_columns_can_be_chosen_and_typed() -> None:
    people = TableColumn("who", "Owner", data_type="persons")
    (table,) = elements(table_card("T", [{"a": 1, "b": 2, "who": ["ou_1"]}], columns=[people, "b"]))
    assert [column["name"] for column in table["columns"]] == ["who", "b"]
    assert table["rows"] == [{"who": ["ou_1"], "b": 2}]


def test_columns_may_have_numbers_as_names() -> None:
    (table,) = elements(table_card("T", [{0: "a", 1: "b"}]))
    assert table["rows"] == [{"0": "a", "1": "b"}]


def test_no_rows() -> None:
    assert elements(table_card("T", [], text="Nothing today")) == [
        {"tag": "markdown", "content": "Nothing today"}
    ]
    assert elements(table_card("T", [], columns=["a"]))[0]["rows"] == []


def test_rows_without_columns_are_counted() -> None:
    (more,) = elements(table_card("T", [{}, {}]))
    assert more["text"]["content"] == "… and 2 more rows"


def test_the_rest_is_counted() -> None:
    table, more = elements(table_card("T", ({"n": n} for n in range(12_345)), max_rows=20))
    assert len(table["rows"]) == 20
    assert more["text"]["content"] == "… and 12,325 more rows"
    _, more = elements(table_card("T", [{"n": 1}] * 3, max_rows=1, more="还有 {count} 行"))
    assert more["text"]["content"] == "还有 2 行"


def test_what_lark_does_not_show_is_not_sent() -> None:
    (table,) = elements(table_card("T", [{f"c{n}": "y" * 600 for n in range(60)}], max_bytes=60_000))
    assert len(table["columns"]) == 50
    assert table["rows"][0]["c0"] == "y" * 499 + "…"


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: table_card("t", None), "rows must be .*, got 'None'"),  # type: ignore[arg-type]
        (lambda: table_card("t", [{"a": 1}], columns="a"), "columns must be .*, got 'a'"),
        (lambda: table_card("t", [{"a": 1}], max_rows="5"), "max_rows must be .*, got '5'"),  # type: ignore[arg-type]
        (lambda: notice_card("t", fields=5), "fields must be .*, got '5'"),  # type: ignore[arg-type]
        (lambda: notice_card("t", link=5), "link must be .*, got '5'"),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_cannot_be_are_named(build: Callable[[], object], name: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"{name}\. Next: "):
        build()


def test_a_row_that_is_not_a_dict_is_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"rows\[1\] must be a dict by column, got tuple. Next: "):
        table_card("T", [{"a": 1}, (1,)])  # type: ignore[list-item]
    with pytest.raises(InvalidRequestError, match=r"rows\[0\] must be a dict by column, got int. Next: "):
        table_card("T", [1])  # type: ignore[list-item]


@settings(deadline=None)  # thousands of rows, on a machine that has other work
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "数", '"', "\n"]),
            st.none() | st.integers() | st.floats() | st.booleans() | st.text(max_size=30) | st.dates(),
        ),
        max_size=8,
    ),
    st.integers(1, 400),
    st.integers(2_000, 30_720),
)
def test_any_rows_fit(rows: list[dict[str, Any]], times: int, max_bytes: int) -> None:
    card = table_card("T", rows * times, max_rows=10_000, max_bytes=max_bytes)
    # The promised margin: with a kilobyte of mentions it can still be sent.
    assert len(card_content(card, max_bytes=max_bytes).encode()) <= max_bytes - 1024
    kept = sum(len(element["rows"]) for element in elements(card) if element["tag"] == "table")
    counted = sum(
        int(element["text"]["content"].split()[2].replace(",", ""))
        for element in elements(card)
        if element["tag"] == "div"
    )
    assert kept + counted == len(rows) * times


def test_as_many_rows_as_fit_are_kept() -> None:
    rows: list[dict[str, Any]] = [{"text": "x" * 100, "n": n} for n in range(10_000)]
    card = table_card("T", rows, max_rows=10_000)
    assert 30_720 - 1024 - 1024 < len(card_content(card).encode()) <= 30_720 - 1024
