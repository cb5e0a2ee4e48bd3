"""Cards of JSON 1.0 for the property tests: healthy ones, and ones with a flaw somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import orjson
from hypothesis import strategies as st

from tests.api.cards.generated import TEXT, VALUE, objects

Card = dict[str, Any]

MARKUP = st.sampled_from(["plain_text", "lark_md"])
PLAIN = st.builds(lambda content: {"tag": "plain_text", "content": content}, TEXT)
WORDS = st.builds(lambda tag, content: {"tag": tag, "content": content}, MARKUP, TEXT)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "lark_md": TEXT,
    "markdown": TEXT,
    "number": st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    "options": st.lists(st.builds(lambda text: {"text": text, "color": "blue"}, TEXT), max_size=2),
    "persons": TEXT | st.lists(TEXT, max_size=2),
    "date": st.integers(0, 2**41),
}
HEADER = st.fixed_dictionaries(
    {"title": WORDS},
    optional={
        "subtitle": WORDS,
        "template": st.sampled_from(["blue", "red"]),
        "text_tag_list": st.lists(
            st.builds(lambda text: {"tag": "text_tag", "text": text, "color": "green"}, PLAIN), max_size=3
        ),
    },
)


def make_component(img_key: str, tag: str, properties: st.SearchStrategy[Card]) -> st.SearchStrategy[Card]:
    """Return a strategy for one kind of component that looks up a picture or none."""
    pictured = {"img_key": img_key} if tag == "img" else {}
    return properties.map(lambda drawn: {"tag": tag, **pictured, **drawn})


def make_plain_components(img_key: str) -> st.SearchStrategy[Card]:
    """Return a strategy for components that hold no other component and have no name."""
    button = st.fixed_dictionaries({"tag": st.just("button"), "text": PLAIN}, optional={"value": VALUE})
    option = st.fixed_dictionaries({"text": PLAIN, "value": TEXT})
    select = st.fixed_dictionaries(
        {"tag": st.sampled_from(["select_static", "overflow"]), "options": st.lists(option, max_size=2)}
    )
    image = st.fixed_dictionaries({"tag": st.just("img"), "img_key": st.just(img_key), "alt": PLAIN})
    field = st.fixed_dictionaries({"is_short": st.booleans(), "text": WORDS})
    kinds: dict[str, st.SearchStrategy[Card]] = {
        "markdown": st.fixed_dictionaries({"content": TEXT}),
        "img": st.fixed_dictionaries({"alt": PLAIN}, optional={"title": PLAIN}),
        "hr": st.just({}),
        "div": st.fixed_dictionaries(
            {"text": WORDS},
            optional={"fields": st.lists(field, max_size=2), "extra": button | select | image},
        ),
        "note": st.fixed_dictionaries({"elements": st.lists(WORDS | image, max_size=2)}),
        "action": st.fixed_dictionaries({"actions": st.lists(button | select, max_size=2)}),
        "select_img": st.just({"options": []}),
        "chart": st.fixed_dictionaries({"chart_spec": st.sampled_from([{"type": "bar"}, {"axes": []}])}),
    }
    return st.one_of([make_component(img_key, tag, properties) for tag, properties in kinds.items()])


@cache  # a strategy that is made for each card is slow to draw from
def inside(img_key: str) -> st.SearchStrategy[Card]:
    """Return a strategy for components, and for panels and columns that hold some."""
    plain = make_plain_components(img_key)
    in_column = st.lists(plain.filter(lambda component: component["tag"] != "action"), max_size=2)
    column = in_column.map(lambda elements: {"tag": "column", "elements": elements})
    column_set = st.lists(column, max_size=2).map(lambda columns: {"tag": "column_set", "columns": columns})
    panel = st.builds(
        lambda title, elements: {
            "tag": "collapsible_panel",
            "header": {"title": title},
            "elements": elements,
        },
        PLAIN | st.builds(lambda content: {"tag": "markdown", "content": content}, TEXT),
        st.lists(plain | column_set, max_size=2),
    )
    return plain | column_set | panel


@st.composite
def tables(draw: st.DrawFn) -> Card:
    """Draw a table with columns of any type, whose cells fit them."""
    types = draw(st.dictionaries(TEXT.filter(bool), st.sampled_from(list(CELLS)), min_size=1, max_size=3))
    cells = {name: CELLS[data_type] | st.none() for name, data_type in types.items()}
    rows = draw(st.lists(st.fixed_dictionaries({}, optional=cells), max_size=3))
    columns = [{"name": name, "data_type": data_type} for name, data_type in types.items()]
    return {"tag": "table", "columns": columns, "rows": rows, "page_size": 5}


@st.composite
def forms(draw: st.DrawFn, numbers: Iterator[int]) -> Card:
    """Draw a form whose names occur nowhere else in the card."""
    kinds = draw(st.lists(st.sampled_from(["input", "select_static", "date_picker", "checker"]), max_size=3))
    fields = [{"tag": kind, "name": f"field_{next(numbers)}"} for kind in kinds]
    send = {
        "tag": "button",
        "name": f"send_{next(numbers)}",
        "action_type": "form_submit",
        "text": draw(PLAIN),
    }
    return {"tag": "form", "name": f"form_{next(numbers)}", "elements": [*fields, send]}


@st.composite
def cards_1(draw: st.DrawFn, img_key: str = "img_v3_1") -> Card:
    """Draw a card that Lark takes, in one language or in two."""
    numbers = count()
    card: Card = draw(st.sampled_from([{}, {"schema": "1.0"}]))
    card = {**card, **draw(st.fixed_dictionaries({}, optional={"header": HEADER}))}
    languages = draw(st.sampled_from([("",), ("zh_cn",), ("zh_cn", "en_us")]))
    for language in languages:
        elements: list[Card] = draw(st.lists(inside(img_key), max_size=3))
        elements += draw(st.lists(tables() | forms(numbers), max_size=2))
        if language:
            card.setdefault("i18n_elements", {})[language] = elements
        else:
            card["elements"] = elements
    return card


class Flaw(NamedTuple):
    """A property with a value that may be wrong, and the tags of the objects that have such a property."""

    name: str
    value: Any
    tags: frozenset[str]


def _put(name: str, *values: Any, tags: str = "") -> list[Flaw]:
    return [Flaw(name, value, frozenset(tags.split())) for value in values]


FLAWS = st.sampled_from(
    [
        *_put("tag", "zz_unknown", "audio", "column", "plain_text", "action", "form", "table", "", None, 5),
        *_put("name", "same", "", 5, tags="input select_static button"),
        *_put("elements", {}, ["a"], [{"tag": "hr"}], [{"tag": "divider"}], None),
        *_put("columns", {}, ["a"], [{"tag": "hr"}], [{"name": "a"}], [{"data_type": "text"}]),
        *_put("rows", {}, "a", ["a"], [{"zz": 1}], [{}]),
        *_put("chart_spec", {"axes": None}, {"axes": {}}, "a", None),
        *_put("i18n_elements", {}, [], {"en_us": {}}, {"en_us": None}, {"en_us": [{"tag": "zz_unknown"}]}),
        *_put("i18n_elements", {"en_us": [{"tag": "form", "name": "f", "elements": []}]}),
        *_put("text", "a", {"tag": "markdown", "content": "a"}, {"content": "a"}, []),
        *_put("extra", "a", {"tag": "zz_unknown"}, {"tag": "hr"}, tags="div"),
        *_put("content", "<at id=on_1></at>", "![a](https://a.example/b.png)", 5),
        *_put("img_key", "https://a.example/b.png", 5),
        *_put("template", "#123456", "rgba(1,2,3,0.5)"),
        *_put("color", "#123456"),
        *_put("text_color", "#123456", tags="plain_text"),
        *_put("behaviors", [], {}, tags="button"),
        *_put("action_type", "request"),
        *_put("fields", {}, ["a"], tags="div"),
        *_put("options", {}, ["a"], tags="select_static"),
        *_put("initial_option", {}, tags="select_static"),
        *_put("padding", "4px 8px"),
        *_put("multi_select", True, tags="select_img"),
        *_put("button_area", {"buttons": [{"tag": "zz_unknown"}]}, tags="checker"),
        *_put("card", {}),
        *_put("zz_unknown", 1),
    ]
)


@st.composite
def flawed_cards_1(draw: st.DrawFn, img_key: str = "img_v3_1") -> Card:
    """Draw a card with flaws, of which Lark refuses some."""
    card: Card = draw(cards_1(img_key))
    for flaw in draw(st.lists(FLAWS, min_size=1, max_size=2)):
        card = orjson.loads(orjson.dumps(card))  # no two places share an object
        places = [target for target, path in objects(card) if "chart_spec" not in path]
        fitting = [target for target in places if flaw.name in target or target.get("tag") in flaw.tags]
        draw(st.sampled_from(fitting or [card]) | st.sampled_from(places))[flaw.name] = flaw.value
    return card
