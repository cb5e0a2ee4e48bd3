"""Refuses values that Lark has refused: colours, paddings, pictures, mentions, charts, rows of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lark_provider.api.cards import shapes
from lark_provider.api.cards.findings import (
    Doubt,
    iterate_items,
    join,
    make_refusal_error,
    only_once,
    require_object,
)

_FENCED = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)[^`].*?\1")
MARKDOWN_TABLE = re.compile(
    r"^[^\n|]*\|[^\n]*\n[ \t]*(?=[^\n]*\|)\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$",
    re.MULTILINE,
)
_PICTURE = re.compile(r"!\[[^\]\n]*\]\(\s*([^)\s/]*/[^)\s]*)")
_UNION_ID = re.compile(r"<at\s+ids?\s*=\s*[\"']?(?:[^\"'\s>]*,)?(on_[^\"'\s>,]+)")
_MARKED_UP = frozenset({"markdown", "lark_md"})
# Lark's page about the panel allows one value or four; Lark has refused two.
_PANEL_PADDINGS = (1, 4)


def check_values(kind: str, value: Mapping[str, Any], path: str, *, v2: bool = True) -> Iterator[Doubt]:
    """Check the plain values of one object.

    Args:
        kind: A component's tag, or the kind of the object, as in `shapes`.
        value: The object.
        path: Its place in the card.
        v2: Whether the card is JSON 2.0. In JSON 1.0, some values are only doubtful: Lark is not known to
            refuse them.

    Yields:
        What is doubtful.

    Raises:
        InvalidRequestError: Lark refuses it.
    """
    for name in shapes.COLORS & value.keys():
        # In JSON 1.0, the header's colour is the only one that Lark is known to refuse.
        refused = v2 or (kind, name) == ("header", "template")
        yield from _check_color(value[name], join(path, name), refused=refused)
    if "img_key" in value:
        yield from _check_picture(value["img_key"], join(path, "img_key"))
    check_content(value, path)
    if isinstance(value.get("initial_option"), (Mapping, list, tuple)):
        yield _object(
            join(path, "initial_option"),
            f"must be a string, got {type(value['initial_option']).__name__}",
            "pass the `value` of one option",
            refused=v2,
        )
    if kind == "panel_header":
        yield from _check_padding(value.get("padding"), join(path, "padding"), refused=v2)
    elif kind == "chart":
        yield from _check_chart(value.get("chart_spec"), join(path, "chart_spec"), v2=v2)
    elif kind == "table":
        yield from _check_table(value, path, v2=v2)
    elif kind == "config" and value.get("update_multi") is False:
        yield Doubt(join(path, "update_multi"), "is false, and cards 2.0 are always shared", "leave it out")


def check_content(text: Mapping[str, Any], path: str) -> None:
    """Check the markup of a text: mentions by union_id, and pictures by address."""
    content, tag = text.get("content"), text.get("tag")
    if (
        not isinstance(content, str)
        or tag not in _MARKED_UP
        or ("<at" not in content and "![" not in content)
    ):
        return
    bare = _CODE.sub("", _FENCED.sub("", content))
    if union_id := _UNION_ID.search(bare):
        raise make_refusal_error(
            join(path, "content"),
            f"mentions {union_id[1]!r}, a union_id, which cards do not take",
            "use the person's open_id",
        )
    if tag == "markdown" and (picture := _PICTURE.search(bare)):
        raise make_refusal_error(
            join(path, "content"),
            f"shows a picture by its address {picture[1][:80]!r}",
            "upload the picture and use its image_key",
        )


def count_tables(tag: str, value: Mapping[str, Any]) -> int:
    """Count the tables that a component adds; those written in Markdown count as well."""
    content = value.get("content")
    if tag == "markdown" and isinstance(content, str) and "|" in content:
        return len(MARKDOWN_TABLE.findall(_FENCED.sub("", content)))
    return int(tag == "table")


def check_text_tag(slot: str, value: Any, path: str) -> Iterator[Doubt]:
    """Check the tag of a text object: Lark takes plain_text and lark_md, and a panel's title may be markdown.

    Args:
        slot: The kind of object that holds the text.
        value: The text object.
        path: Its place in the card.
    """
    tag = value.get("tag") if isinstance(value, Mapping) else None
    if tag is None or tag == "plain_text" or (slot == "panel_header" and tag == "markdown"):
        return
    place = join(path, "tag")
    if tag != "lark_md" and tag in shapes.COMPONENTS:
        raise make_refusal_error(place, f"is {tag!r}, not a text object", "write 'plain_text' or 'lark_md'")
    if tag != "lark_md" or slot == "panel_header":
        yield Doubt(place, f"is {tag!r}, which Lark may refuse here", "write 'plain_text'")


def _object(path: str, what: str, step: str, *, refused: bool) -> Doubt:
    """Refuse a value that Lark is known to refuse; else return the doubt about it."""
    if refused:
        raise make_refusal_error(path, what, step)
    return Doubt(path, what, step)


def _check_color(value: Any, path: str, *, refused: bool) -> Iterator[Doubt]:
    """Check that a colour is given by name; Lark is not known to refuse `rgba(…)`, which is only doubtful.

    Args:
        value: The colour.
        path: Its place in the card.
        refused: Whether Lark refuses a hex colour here.
    """
    if isinstance(value, str) and value.startswith(("#", "rgb(", "rgba(")):
        yield _object(
            path,
            f"must be the name of a colour, got {value!r}",
            "use a name such as 'blue' or 'grey-500', or define one in config.style.color",
            refused=refused and value.startswith("#"),
        )


def _check_picture(value: Any, path: str) -> Iterator[Doubt]:
    if value is not None and not isinstance(value, str):
        yield Doubt(path, f"must be a string, got {type(value).__name__}", "pass the image_key of an upload")
    elif isinstance(value, str) and "/" in value:
        raise make_refusal_error(
            path, f"is the address {value[:80]!r}", "upload the picture and use its image_key"
        )


def _check_padding(value: Any, path: str, *, refused: bool) -> Iterator[Doubt]:
    if isinstance(value, str) and len(value.split()) not in _PANEL_PADDINGS:
        yield _object(
            path,
            f"must have one value or four, got {value!r}",
            "pass them as '4px 8px 4px 8px'",
            refused=refused,
        )


def _check_chart(spec: Any, path: str, *, v2: bool) -> Iterator[Doubt]:
    if spec is None:
        return
    if not v2 and not isinstance(spec, Mapping):
        yield Doubt(path, "must be an object", "pass a dict")
        return
    if "axes" in require_object(spec, path) and not isinstance(spec["axes"], (list, tuple)):
        raise make_refusal_error(
            join(path, "axes"), f"must be a list, got {spec['axes']!r}", "pass a list, or leave it out"
        )


def _check_table(table: Mapping[str, Any], path: str, *, v2: bool) -> Iterator[Doubt]:
    """Check the names of a table's columns, which are the keys of its rows, and the cells."""
    columns, place = table.get("columns"), join(path, "columns")
    types: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for column, where in iterate_items(columns, place) if columns is not None else ():
        if not v2 and not isinstance(column, Mapping):
            continue  # the reader of JSON 1.0 has a doubt about it
        name = require_object(column, where).get("name")
        if not (isinstance(name, str) and name):
            yield _object(
                join(where, "name"),
                f"must be a non-empty string, got {name!r}",
                "name the column by its key in the rows",
                refused=v2,
            )
            continue
        if name in seen:
            yield Doubt(join(where, "name"), f"is also that of {seen[name]}", "give each column its own")
        seen.setdefault(name, where)
        types[name] = column.get("data_type", "text")
    rows = table.get("rows")
    for row, where in iterate_items(rows, join(path, "rows")) if rows is not None else ():
        for name, cell in require_object(row, where).items():
            if name not in types:
                raise make_refusal_error(
                    join(where, name), "belongs to no column", "add the column, or drop the cell"
                )
            yield from _check_cell(types[name], cell, join(where, name), v2=v2)


def _check_cell(data_type: Any, cell: Any, path: str, *, v2: bool) -> Iterator[Doubt]:
    """Check that a cell fits its column, and the colours of options."""
    wanted = shapes.CELLS.get(data_type) if isinstance(data_type, str) else None
    if wanted and cell is not None and (isinstance(cell, bool) or not isinstance(cell, wanted)):
        raise make_refusal_error(
            path,
            f"must be a value for a column of {data_type}, got {type(cell).__name__}",
            f"pass a {wanted[0].__name__}",
        )
    if data_type == "options" and cell is not None:
        for option, place in iterate_items(cell, path):
            if isinstance(option, Mapping):
                yield from _check_color(option.get("color"), join(place, "color"), refused=v2)


def check_audio(audio: Mapping[str, Any], path: str, *, forwardable: bool, seen: dict[str, str]) -> None:
    """Check a sound: its id must be unique in the card, and its card must not be forwarded."""
    if forwardable:
        raise make_refusal_error(
            path, "is an audio in a card that may be forwarded", "set config.enable_forward to false"
        )
    if isinstance(audio.get("audio_id"), str) and audio["audio_id"]:
        only_once(seen, audio["audio_id"], join(path, "audio_id"))
