"""The components of card JSON 2.0, their properties, and Lark's limits.

Taken from Lark's pages of each component (card JSON 2.0: full structure and field tables) and its samples. A
property that is not here is sent with a warning, since Lark adds properties; those that Lark has refused are
listed in `REFUSED_PROPERTIES`.

See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/component-json-v2-overview
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_ELEMENTS = 200
MAX_TABLES = 5
MAX_NESTING = 5
MAX_TABLE_COLUMNS = 50
MAX_TEXT_TAGS = 3
ELEMENT_ID = r"[A-Za-z][A-Za-z0-9_]{0,19}"

_ALL = "tag element_id margin"
_LAYOUT = "direction padding horizontal_spacing horizontal_align vertical_spacing vertical_align"
_DISABLED = "disabled disabled_tips:text"
_USED = f"{_DISABLED} behaviors:behavior[] confirm:confirm"
_INPUT = f"{_ALL} {_USED} width name required placeholder:text value"
_SELECT = f"{_INPUT} type options:option[]"

# An object's properties. `name:kind` says that the value is an object of that kind, `name:kind[]` a list of
# them; `element` is any component, determined by its tag. Everything else is a plain value.
_OBJECTS = {
    "card": "schema config:config card_link:link header:header body:body fallback",
    "config": (
        "streaming_mode streaming_config:streaming summary:summary locales enable_forward update_multi "
        "width_mode compact_width wide_screen_mode use_custom_translation enable_forward_interaction "
        "style:style"
    ),
    "streaming": "print_frequency_ms print_step print_strategy",
    "summary": "content",
    "style": "text_size color",
    "header": "title:text subtitle:text text_tag_list:text_tag[] template icon:icon padding",
    "text_tag": "tag element_id text:text color",
    "body": f"{_LAYOUT} elements:element[]",
    "text": "tag element_id content text_size text_color text_align lines",
    "icon": "tag token color img_key size",
    "ud_icon": "tag token style",
    "link": "url pc_url ios_url android_url",
    "click": "multi_url:link",
    "behavior": "type value default_url pc_url ios_url android_url",
    "confirm": "title:text text:text",
    "field": "is_short text:text",
    "picture": "img_key",
    "option": "text:text value icon:icon multi_url:link img_key disabled disabled_tips:text hover_tips:text",
    "border": "color corner_radius",
    "panel_header": (
        "title:text background_color width vertical_align padding position icon:icon icon_position "
        "icon_expanded_angle"
    ),
    "table_column": (
        "name display_name data_type width horizontal_align vertical_align format:number_format date_format"
    ),
    "number_format": "precision symbol separator",
    "header_style": "text_align text_size background_style text_color bold lines",
    "button_area": "pc_display_rule buttons:element[]",
}
_COMPONENTS = {
    "column_set": (
        f"{_ALL} flex_mode horizontal_spacing horizontal_align background_style action:click columns:column[]"
    ),
    "column": f"{_ALL} {_LAYOUT} background_style width weight action:click elements:element[]",
    "form": f"{_ALL} {_LAYOUT} name fallback elements:element[]",
    "interactive_container": (
        f"{_ALL} {_LAYOUT} {_USED} hover_tips:text width height background_style has_border border_color "
        "corner_radius elements:element[]"
    ),
    "collapsible_panel": (
        f"{_ALL} {_LAYOUT} expanded background_color header:panel_header border:border elements:element[]"
    ),
    "div": f"{_ALL} width text:text icon:icon fields:field[]",
    "markdown": f"{_ALL} content text_size text_align icon:icon",
    "img": (
        f"{_ALL} img_key alt:text title:text corner_radius scale_type size transparent preview mode "
        "custom_width compact_width"
    ),
    "img_combination": f"{_ALL} combination_mode combination_transparent corner_radius img_list:picture[]",
    "person": f"{_ALL} user_id size show_avatar show_name style",
    "person_list": (
        f"{_ALL} persons size lines show_avatar show_name drop_invalid_user_id icon:icon ud_icon:ud_icon"
    ),
    "chart": f"{_ALL} chart_spec aspect_ratio color_theme height preview",
    "table": (
        f"{_ALL} columns:table_column[] rows page_size row_height row_max_height freeze_first_column "
        "header_style:header_style"
    ),
    "hr": _ALL,
    "audio": (
        f"{_ALL} {_DISABLED} file_key audio_id show_progress_bar show_time time_display "
        "time_position border:border style padding background_style fill_color width fallback"
    ),
    "button": (
        f"{_ALL} {_USED} hover_tips:text width name text:text type size icon:icon form_action_type "
        "action_type value url"
    ),
    "overflow": f"{_ALL} width options:option[] behaviors:behavior[] confirm:confirm value",
    "input": (
        f"{_INPUT} default_value label:text label_position input_type rows auto_resize max_rows max_length "
        "show_icon"
    ),
    "select_static": f"{_SELECT} initial_option initial_index",
    "multi_select_static": f"{_SELECT} selected_values",
    "select_person": f"{_SELECT} initial_option initial_index",
    "multi_select_person": f"{_SELECT} selected_values",
    "date_picker": f"{_INPUT} initial_date",
    "picker_time": f"{_INPUT} initial_time",
    "picker_datetime": f"{_INPUT} initial_datetime",
    "select_img": (
        f"{_ALL} {_DISABLED} behaviors:behavior[] name required value options:option[] multi_select layout "
        "aspect_ratio can_preview"
    ),
    "checker": (
        f"{_ALL} {_USED} hover_tips:text name checked text:text overall_checkable button_area:button_area "
        "checked_style padding"
    ),
}


def _read(table: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Turn the notation above into name → property → kind ("" for a plain value)."""
    return {
        name: {prop: kind for prop, _, kind in (word.partition(":") for word in line.split())}
        for name, line in table.items()
    }


OBJECTS = _read(_OBJECTS)
COMPONENTS = _read(_COMPONENTS)
#: The same for JSON 1.0, which ignores other properties. `note_part` is what a note holds.
OBJECTS_1 = OBJECTS | _read(
    {
        "button_area": "pc_display_rule buttons:button[]",
        "panel_header": _OBJECTS["panel_header"].replace("title:text", "title:panel_title"),
        "panel_title": _OBJECTS["text"],
        "note_part": "tag content token color img_key",
    }
)
COMPONENTS_1 = {tag: shape for tag, shape in COMPONENTS.items() if tag != "audio"} | _read(
    {
        "action": "tag actions:element[] layout",
        "note": "tag elements:note_part[]",
        "div": f"{_COMPONENTS['div']} extra:element",
    }
)

CONTAINERS = frozenset({"column_set", "form", "interactive_container", "collapsible_panel"})
ROOT_ONLY = frozenset({"form", "table"})
#: What a person fills in or presses; inside a form each needs a name.
NAMED_IN_FORM = frozenset(
    {"button", "checker", *(t for t, shape in COMPONENTS.items() if "required" in shape)}
)
#: Properties that can also be given in other languages, as `i18n_…`.
TRANSLATED = frozenset({"content", "default_value", "img_key", "file_key", "text_tag_list"})
#: Components that Lark's page allows only inside a form; Lark is not known to refuse them elsewhere.
FORM_ONLY = frozenset({"multi_select_static", "multi_select_person"})
#: Objects that count as elements, besides the components.
TEXT_TAGS = frozenset({"plain_text", "lark_md", "markdown"})
#: Tags that Lark knows although they are not components of JSON 1.0: those of texts, icons and columns, and
#: of the part that a template repeats.
NOT_COMPONENTS_1 = frozenset(
    {"plain_text", "lark_md", "text_tag", "standard_icon", "custom_icon", "column", "repeat"}
)
#: The tags that Lark's pages allow where JSON 1.0 takes no other; None is an object without a tag.
TAGS_1: dict[str, frozenset[str | None]] = {
    "column": frozenset({"column"}),
    "button": frozenset({"button"}),
    "note_part": frozenset({"plain_text", "lark_md", "standard_icon", "img"}),
    "text": frozenset({"plain_text", "lark_md", None}),
    "panel_title": frozenset({"plain_text", "markdown", None}),
    "text_tag": frozenset({"text_tag", None}),
    "icon": frozenset({"standard_icon", "custom_icon", None}),
}
#: Properties that take the name of a colour.
COLORS = frozenset(
    {"color", "text_color", "background_color", "background_style", "border_color", "template", "fill_color"}
)
#: What a cell of a table holds, by the column's data type.
CELLS: dict[str, tuple[type, ...]] = {
    "text": (str,), "lark_md": (str,), "markdown": (str,), "number": (int, float),
    "options": (list, tuple), "persons": (str, list, tuple), "date": (int, float, str),
}  # fmt: skip
#: Tags of 1.0 that 2.0 refuses (200861), and what takes their place.
DROPPED_TAGS = {
    "action": "put its buttons straight into elements, or into a column_set to have them in a row",
    "note": "use a div with text_size 'notation', which note(…) makes",
}
#: Tags that people write and Lark is known to refuse, and what takes their place.
REFUSED_TAGS = {
    "code_block": "use markdown with a fenced block",
    "divider": "use hr",
    "actions": "use action in JSON 1.0, and plain buttons in 2.0",
    "ul": "use markdown with a list",
    "checkbox_group": "use checker, or multi_select_static in a form",
}
_LINK = 'use behaviors [{"type": "open_url", "default_url": …, "pc_url": …}]'
#: Properties that Lark has refused in 2.0, and what takes their place.
REFUSED_PROPERTIES = {
    ("card", "elements"): "move them into body.elements",
    ("card", "card"): "pass what it holds",
    ("column_set", "corner_radius"): "leave it out; an interactive_container has one",
    ("markdown", "text_color"): "write <font color='…'>…</font> in the content",
    ("text", "text_weight"): "use lark_md with **…**",
    ("input", "multiline"): "use input_type 'multiline_text'",
    ("select_static", "label"): "put a markdown before it",
    ("div", "elements"): "use a column_set or an interactive_container",
    ("chart", "color"): "put it into chart_spec, or use color_theme",
    ("border", "type"): "leave it out; a border has color and corner_radius",
    ("collapsible_panel", "expand"): "write 'expanded'",
    ("header", "tag"): "leave it out",
    ("button", "horizontal_align"): "set it on the column around the button",
}
#: Properties of 1.0 that are unknown in 2.0, and what takes their place.
DROPPED_PROPERTIES = {
    ("card", "i18n_elements"): "use i18n_content of the single texts",
    ("card", "i18n_header"): "use i18n_content of the header's texts",
    ("button", "multi_url"): _LINK,
    ("markdown", "href"): "write <link url='…' pc_url='…'>…</link> in the content",
}
