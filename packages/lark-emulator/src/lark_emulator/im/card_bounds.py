"""What Lark's pages ask of a card beyond its shape: required properties, lengths, ranges, places. Data only.

No answer of Lark is known that enforces these, so each is a rule that can be switched on, see
`Settings.card_rules`: `required`, `lengths`, `ranges` and `places`.
"""

from __future__ import annotations

#: Properties of JSON 2.0 that the pages call required, by tag or kind of object.
REQUIRED: dict[str, tuple[str, ...]] = {
    "header": ("title",),
    "text_tag": ("text",),
    "confirm": ("title", "text"),
    "column_set": ("columns",),
    "form": ("name", "elements"),
    "interactive_container": ("behaviors", "elements"),
    "collapsible_panel": ("header",),
    "panel_header": ("title",),
    "markdown": ("content",),
    "img": ("img_key", "alt"),
    "img_combination": ("combination_mode", "img_list"),
    "picture": ("img_key",),
    "person": ("user_id",),
    "person_list": ("persons",),
    "chart": ("chart_spec",),
    "table": ("columns", "rows"),
    "table_column": ("name", "data_type"),
    "overflow": ("options",),
    "behavior": ("type",),
}
#: Characters of a text, by the object that has it and the property.
MAX_LENGTHS: dict[tuple[str, str], int] = {
    ("button", "text"): 100,
    ("option", "text"): 100,
    ("input", "placeholder"): 100,
    ("select_static", "placeholder"): 100,
    ("multi_select_static", "placeholder"): 100,
    ("select_person", "placeholder"): 100,
    ("multi_select_person", "placeholder"): 100,
    ("date_picker", "placeholder"): 100,
    ("picker_time", "placeholder"): 100,
    ("picker_datetime", "placeholder"): 100,
}
#: Least and most of a number, by the object that has it and the property.
RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("column", "weight"): (1, 5),
    ("table", "page_size"): (1, 10),
    ("number_format", "precision"): (0, 10),
    ("input", "max_length"): (1, 1000),
    ("checked_style", "opacity"): (0, 1),
    ("img", "custom_width"): (278, 580),
}
#: Most items of a list.
MAX_COUNTS: dict[tuple[str, str], int] = {("button_area", "buttons"): 3}

_USED_1 = frozenset(
    {"button", "overflow", "select_static", "select_person", "multi_select_static", "multi_select_person"}
    | {"date_picker", "picker_time", "picker_datetime", "input", "select_img", "checker"}
)
_SHOWN_1 = frozenset({"div", "markdown", "img", "hr", "note", "chart", "person", "person_list"})
#: Tags of JSON 1.0 that may stand directly in a container; a container that is not here takes what the reader
#: lets through.
PLACES_1: dict[str, frozenset[str]] = {
    "action": frozenset(
        {"button", "overflow", "select_static", "select_person"}
        | {"date_picker", "picker_time", "picker_datetime"}
    ),
    "column": (_SHOWN_1 | _USED_1 | {"column_set", "form", "interactive_container", "collapsible_panel"})
    - {"overflow"},
    "form": (_SHOWN_1 | _USED_1 | {"column_set", "interactive_container", "collapsible_panel"})
    - {"div", "chart"},
    "interactive_container": frozenset(
        {"div", "markdown", "img", "note", "column_set", "checker", "interactive_container"}
    ),
}
#: These stand at the root of a card 1.0 only within an `action`.
IN_ACTION_1 = PLACES_1["action"]
