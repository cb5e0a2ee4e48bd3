"""Cards for the property tests: anything that the builder can build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import count
from typing import Any

from hypothesis import strategies as st

from lark_provider.api.cards import (
    Button,
    Card2,
    CollapsiblePanel,
    Column,
    ColumnSet,
    Confirm,
    DatePicker,
    Div,
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
    note,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="|"), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
VALUE = st.dictionaries(TEXT, JSON, max_size=3)
BUTTON = st.builds(
    Button,
    TEXT,
    value=st.none() | VALUE,
    url=st.none() | st.just("https://example.com"),
    type=st.sampled_from(["default", "primary", "danger"]),
    confirm=st.none() | st.builds(Confirm, TEXT, TEXT),
)


def make_component(img_key: str) -> st.SearchStrategy[Mapping[str, Any]]:
    """Return a strategy for components that are allowed anywhere in a card."""
    return st.one_of(
        st.builds(Markdown, TEXT),
        st.builds(Div, TEXT, lines=st.none() | st.integers(1, 4)),
        st.builds(note, TEXT),
        st.builds(Hr),
        st.builds(Img, st.just(img_key), alt=TEXT, title=st.none() | TEXT),
        BUTTON,
    )


@cache  # a strategy that is made for each card is slow to draw from
def inside(img_key: str) -> st.SearchStrategy[Mapping[str, Any]]:
    """Return a strategy for components, and for panels and columns that contain them."""
    return st.recursive(
        make_component(img_key),
        lambda inner: st.one_of(
            st.builds(CollapsiblePanel, TEXT, st.lists(inner, max_size=2), expanded=st.booleans()),
            st.lists(
                st.builds(Column, st.lists(inner, max_size=2), weight=st.none() | st.integers(1, 5)),
                max_size=2,
            ).map(ColumnSet),
        ),
        max_leaves=4,
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw a table whose rows have cells of its columns only."""
    names = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=3, unique=True))
    rows = draw(st.lists(st.dictionaries(st.sampled_from(names), TEXT, max_size=3), max_size=3))
    return Table([TableColumn(name) for name in names], rows, page_size=draw(st.none() | st.integers(1, 10)))


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Draw a form whose name is always the same, so that a card can contain only one."""
    numbers = count()
    fields: list[Mapping[str, Any]] = []
    for kind in draw(st.lists(st.sampled_from(["input", "select", "date", "text"]), max_size=4)):
        name = f"field_{next(numbers)}"
        fields.append(
            {
                "input": Input(name, label=draw(TEXT), max_length=draw(st.none() | st.integers(1, 1000))),
                "select": SelectStatic(name, draw(st.lists(TEXT, max_size=3, unique=True))),
                "date": DatePicker(name, required=draw(st.booleans())),
                "text": Markdown(draw(TEXT)),
            }[kind]
        )
    return Form("form", fields, submit=draw(TEXT.filter(bool)))


HEADER = st.builds(
    Header,
    TEXT,
    subtitle=st.none() | TEXT,
    template=st.sampled_from(["blue", "green", "red"]),
    text_tag_list=st.lists(TEXT | st.builds(TextTag, TEXT), max_size=3),
)


@st.composite
def cards(draw: st.DrawFn, img_key: str = "img_v3_1") -> Card2:
    """Draw a card of arbitrary components, whose pictures are all `img_key`."""
    elements = draw(st.lists(inside(img_key), max_size=4)) + draw(st.lists(tables(), max_size=2))
    if draw(st.booleans()):
        elements.append(draw(forms()))
    return Card2(elements, header=draw(st.none() | HEADER | TEXT))


def objects(value: Any, path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each object whose properties Lark checks, with its path; skip callback values and table rows."""
    if isinstance(value, dict):
        yield value, path
        for name, inner in value.items():
            if name not in {"value", "rows"}:
                yield from objects(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from objects(inner, f"{path}[{index}]")
