"""Cards that show every component of both schemas, with all that changes how they look."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]

TEMPLATES = (
    *("blue", "wathet", "turquoise", "green", "yellow", "orange", "red", "carmine", "violet", "purple"),
    *("indigo", "grey", "default"),
)
MARKDOWN = """# One
## Two
### Three
**bold** __bold__ *italic* ***both*** ~~struck~~ `code` :OK: :THUMBSUP:
line one
line two

[link](https://example.com) https://example.com/plain <a href='https://example.com'></a>
<at id=all></at> <at id=ou_emulator0001_bob></at> <at ids=ou_emulator0001_alice,ou_emulator0001_carol></at>
<font color=red>red <font color=green>green</font></font> <font color=own>own</font>
<text_tag color=blue>tag</text_tag> <number_tag background_color=red font_color=white>7</number_tag>
<person id=ou_emulator0001_bob show_name=true show_avatar=true style=capsule></person>
<local_datetime millisecond=1700000000000 format_type=date_num></local_datetime>
<local_datetime millisecond=1700000000000 format_type=week></local_datetime>
<link icon=chat_outlined url=https://example.com>go</link> <raw>**raw**</raw> &#42;escaped&#42;

> quoted **text**
> - with a list

- one
    - inner
- [x] done
- [ ] open
1. first
2. second

```python
print("<b>")
```

| name | number |
|:-----|-------:|
| a | 1 |
| b | 2 |
| c | 3 |
| d | 4 |
| e | 5 |
| f | 6 |

---
![hover](img_unknown)"""


def plain(content: str) -> Node:
    return {"tag": "plain_text", "content": content}


def lark_md(content: str) -> Node:
    return {"tag": "lark_md", "content": content}


def make_options(*values: str) -> list[Node]:
    return [{"text": plain(value), "value": value} for value in values]


def make_header(template: str = "blue") -> Node:
    return {
        "title": {**plain("Header"), "i18n_content": {"zh_cn": "标题", "en_us": "Header"}},
        "subtitle": plain("Subtitle"),
        "template": template,
        "icon": {"tag": "standard_icon", "token": "chat_outlined", "color": "blue"},
        "text_tag_list": [
            {"tag": "text_tag", "text": plain(f"t{n}"), "color": c} for n, c in enumerate(_TAGS)
        ],
    }


_TAGS = ("neutral", "lime", "red", "purple")
_PEOPLE = [f"ou_emulator0001_{name}" for name in ("alice", "bob", "carol")]
_CALL: list[Node] = [{"type": "callback", "value": {"a": 1}}]
_POINTS = [{"x": str(n), "y": n * n % 11, "s": "ab"[n % 2]} for n in range(12)]


def controls(image_key: str) -> list[Node]:
    """Return what people use, as it stands in cards of both schemas."""
    kinds = ("default", "primary", "danger", "text", "primary_text", "danger_text", "primary_filled")
    buttons = [
        {"tag": "button", "text": plain(kind), "type": kind, "behaviors": _CALL}
        for kind in (*kinds, "danger_filled", "laser")
    ]
    return [
        *buttons,
        {
            "tag": "button",
            "text": plain("Off"),
            "disabled": True,
            "size": "large",
            "disabled_tips": plain("no"),
        },
        {
            "tag": "button",
            "text": plain("Tiny"),
            "size": "tiny",
            "hover_tips": plain("tip"),
            "behaviors": _CALL,
        },
        {"tag": "overflow", "options": make_options("a", "b"), "behaviors": _CALL},
        {
            "tag": "select_static",
            "options": make_options(*"abcdefghij"),
            "initial_option": "b",
            "type": "text",
        },
        {"tag": "select_static", "options": make_options("a", "b"), "placeholder": plain("pick")},
        {"tag": "select_person", "options": [{"value": who} for who in _PEOPLE]},
        {"tag": "date_picker", "initial_date": "2026-01-31"},
        {"tag": "picker_time", "placeholder": plain("time")},
        {"tag": "picker_datetime", "initial_datetime": "2026-01-31 09:00"},
        {"tag": "select_img", "options": [{"img_key": image_key, "value": "1"}], "layout": "trisect"},
    ]


def make_fields(image_key: str) -> list[Node]:
    """Return what only forms hold."""
    two = [{"img_key": image_key, "value": value} for value in "12"]
    return [
        {"tag": "input", "name": "i1", "label": plain("Label"), "label_position": "left", "required": True},
        {"tag": "input", "name": "i2", "input_type": "multiline_text", "rows": 2, "auto_resize": True},
        {"tag": "input", "name": "i3", "input_type": "password", "default_value": "secret"},
        {
            "tag": "multi_select_static",
            "name": "m1",
            "options": make_options("a", "b"),
            "selected_values": ["a"],
        },
        {"tag": "multi_select_person", "name": "m2", "options": [{"value": who} for who in _PEOPLE]},
        {"tag": "select_img", "name": "s1", "multi_select": True, "options": two},
        {"tag": "checker", "name": "c1", "text": plain("Check"), "checked": True},
    ]


def make_content(image_key: str) -> list[Node]:
    """Return what people read, as it stands in cards of both schemas."""
    charts: list[Node] = [
        {"type": kind, "title": {"text": kind}, "data": {"values": _POINTS}, "xField": "x", "yField": "y"}
        for kind in ("bar", "line", "area", "scatter")
    ]
    charts.append({**charts[0], "seriesField": "s", "stack": True})
    pie = {"type": "pie", "data": [{"values": _POINTS}], "valueField": "y", "categoryField": "x"}
    charts += [{**pie, "innerRadius": 0.5}, {"type": "wordCloud", "title": {"text": "words"}}]
    modes = ("double", "triple", "bisect", "trisect")
    picture = {"img_key": image_key}
    return [
        {"tag": "markdown", "content": MARKDOWN, "icon": {"tag": "standard_icon", "token": "done_outlined"}},
        {"tag": "markdown", "content": "big", "text_size": "heading-0", "text_align": "center"},
        {
            "tag": "div",
            "text": {**plain("long " * 40), "lines": 2, "text_color": "grey", "text_size": "notation"},
            "icon": {"tag": "custom_icon", "img_key": image_key},
            "fields": [{"is_short": True, "text": lark_md(f"**{n}**\nvalue")} for n in range(3)],
        },
        {"tag": "img", **picture, "alt": plain("alt"), "title": plain("Title"), "corner_radius": "8px"},
        {"tag": "img", **picture, "alt": plain("alt"), "size": "small", "preview": False},
        *[{"tag": "img_combination", "combination_mode": m, "img_list": [picture] * 9} for m in modes],
        {"tag": "person", "user_id": _PEOPLE[0], "show_name": True, "style": "capsule"},
        {"tag": "person_list", "persons": [{"id": who} for who in _PEOPLE], "show_name": False},
        {"tag": "person_list", "persons": [{"id": who} for who in _PEOPLE], "show_avatar": True},
        *[{"tag": "chart", "chart_spec": spec, "aspect_ratio": "2:1"} for spec in charts],
        {"tag": "hr"},
    ]


def table() -> Node:
    kinds = {"text": "t", "lark_md": "**b**", "markdown": "- x", "number": 12345.678, "date": 1700000000000}
    kinds |= {"options": [{"text": "o", "color": "red"}], "persons": _PEOPLE[:2]}
    return {
        "tag": "table",
        "page_size": 2,
        "row_height": "auto",
        "freeze_first_column": True,
        "header_style": {"background_style": "grey", "bold": True},
        "columns": [
            {
                "name": kind,
                "display_name": kind.title(),
                "data_type": kind,
                "date_format": "YYYY/MM/DD HH:mm",
                "format": {"precision": 2, "symbol": "¥", "separator": True},
            }
            for kind in kinds
        ],
        "rows": [kinds] * 5,
    }


def newer(image_key: str) -> list[Node]:
    """Return cards of JSON 2.0."""
    submit: Node = {"tag": "button", "name": "ok", "text": plain("Submit"), "form_action_type": "submit"}
    columns = [
        {
            "tag": "column",
            "width": "weighted",
            "weight": n,
            "background_style": "blue-50",
            "elements": [element],
        }
        for n, element in enumerate(({"tag": "markdown", "content": "left"}, {"tag": "hr"}), 1)
    ]
    modes = ("none", "stretch", "flow", "bisect", "trisect")
    containers: list[Node] = [
        *[{"tag": "column_set", "flex_mode": mode, "columns": columns} for mode in modes],
        {
            "tag": "interactive_container",
            "has_border": True,
            "corner_radius": "8px",
            "background_style": "laser",
            "behaviors": _CALL,
            "elements": [{"tag": "markdown", "content": "container"}],
        },
        *[
            {
                "tag": "collapsible_panel",
                "expanded": place != "left",
                "border": {"color": "blue"},
                "header": {
                    "title": {"tag": "markdown", "content": f"**panel** {place}"},
                    "icon": {"tag": "standard_icon", "token": "down-small-ccm_outlined", "size": "16px 16px"},
                    "icon_position": place,
                    "icon_expanded_angle": -180,
                },
                "elements": [{"tag": "markdown", "content": "inside"}],
            }
            for place in ("left", "right", "follow_text")
        ],
        {"tag": "audio", "file_key": "file_x", "audio_id": "1"},
        {
            "tag": "checker",
            "text": lark_md("**task**"),
            "checked": True,
            "checked_style": {"show_strikethrough": True, "opacity": 0.5},
            "button_area": {
                "pc_display_rule": "on_hover",
                "buttons": [{"tag": "button", "text": plain("b")}],
            },
        },
        table(),
        {"tag": "form", "name": "form", "elements": [*make_fields(image_key), submit]},
        {"tag": "brand_new", "content": "?"},
    ]
    config = {
        "width_mode": "fill",
        "style": {"color": {"own": {"light_mode": "rgba(10,120,200,1)", "dark_mode": "rgba(90,180,255,1)"}}},
    }
    bodies = (make_content(image_key), containers, controls(image_key))
    cards = [
        {"schema": "2.0", "config": config, "header": make_header(), "body": {"elements": elements}}
        for elements in bodies
    ]
    row = {"direction": "horizontal", "elements": [{"tag": "markdown", "content": str(n)} for n in range(3)]}
    cards += [{"schema": "2.0", "header": make_header(template), "body": row} for template in TEMPLATES]
    return [*cards, {"schema": "2.0", "body": {}}, {"schema": "2.0", "config": {"streaming_mode": True}}]


def older(image_key: str) -> list[Node]:
    """Return cards of JSON 1.0."""
    small = [plain("note"), lark_md("**md**"), {"tag": "img", "img_key": image_key, "alt": plain("i")}]
    submit = {"tag": "button", "name": "ok", "text": plain("Submit"), "action_type": "form_submit"}
    extra = {"tag": "button", "text": plain("Extra"), "value": {"a": 1}}
    parts: list[Node] = [
        *make_content(image_key)[:-1],
        {"tag": "hr"},
        {"tag": "div", "text": lark_md("**div** <at id=all></at>"), "extra": extra},
        {"tag": "markdown", "content": "[t]($url)", "href": {"url": {"url": "https://example.com"}}},
        {"tag": "note", "elements": small},
        *[
            {"tag": "action", "layout": layout, "actions": controls(image_key)}
            for layout in ("bisection", "flow")
        ],
        {"tag": "column_set", "columns": [{"tag": "column", "elements": [{"tag": "hr"}]}] * 2},
        {"tag": "form", "name": "form", "elements": [*make_fields(image_key), submit]},
        table(),
    ]
    both = {
        "zh_cn": [{"tag": "markdown", "content": "中文"}],
        "en_us": [{"tag": "markdown", "content": "English"}],
    }
    return [
        {"config": {"wide_screen_mode": True}, "header": make_header("red"), "elements": parts},
        {"header": make_header("green"), "i18n_elements": both, "card_link": {"url": "https://example.com"}},
        {},
        {"type": "template", "data": {"template_id": "AAq1", "template_variable": {"a": 1}}},
        {"type": "card", "data": {"card_id": "7"}},
    ]
