"""What a card may hold: tags, their properties, and what stands where. Data only.

From Lark's pages of each component and from its answers to real cards. In JSON 2.0 a property that is not
here refuses the card; in 1.0 it is ignored.

The notation of a property is `name:kind`, where the kind is one of

- nothing (any value), `str`, `bool`, `num`, `map`, `list`, `color` (its name), `key` (of an image);
- `a|b|c`: a string that is one of these words;
- `{border}`: an object of a kind in `OBJECTS`;
- `<text>`: an object told by its `tag`, which must fit the slot in `SLOTS`;

and `[]` behind it makes it a list of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY = "tag:str element_id:str margin:str"
_LAYOUT = (
    "direction:vertical|horizontal padding:str horizontal_spacing:str horizontal_align:left|center|right "
    "vertical_spacing:str vertical_align:top|center|bottom"
)
_DISABLED = "disabled:bool disabled_tips:<plain>"
_USED = f"{_DISABLED} behaviors:{{behavior}}[] confirm:{{confirm}}"
_FIELD = f"{_ANY} {_USED} name:str required:bool placeholder:<plain> width:str value"
_SELECT = f"{_FIELD} type:default|text options:{{option}}[]"
_TEXT = (
    "tag:str element_id:str content:str i18n_content:map text_size:str text_color:color "
    "text_align:left|center|right lines:num"
)
_ICON = "tag:str token:str color:color img_key:key i18n_img_key:map size:str"
_LINKS = "url:str pc_url:str ios_url:str android_url:str"

_OBJECTS = {
    "card": "schema:str config:{config} card_link:{link} header:{header} body:{body} fallback",
    "body": f"{_LAYOUT} elements:<component>[]",
    "config": (
        "update_multi:bool enable_forward:bool enable_forward_interaction:bool "
        "width_mode:default|compact|fill compact_width:bool wide_screen_mode:bool "
        "use_custom_translation:bool style:{style} summary:{summary} locales:list streaming_mode:bool "
        "streaming_config:{streaming}"
    ),
    "style": "text_size:map color:map",
    "summary": "content:str i18n_content:map",
    "streaming": "print_frequency_ms:map print_step:map print_strategy:fast|delay",
    "header": (
        "title:<text> subtitle:<text> text_tag_list:<text_tag>[] i18n_text_tag_list:map template:color "
        "icon:<icon> padding:str"
    ),
    "link": _LINKS,
    "jump": "multi_url:{link}",
    "behavior": "type:open_url|callback default_url:str pc_url:str ios_url:str android_url:str value",
    "confirm": "title:<plain> text:<plain>",
    "field": "is_short:bool text:<text>",
    "picture": "img_key:key i18n_img_key:map",
    "person": "id:str",
    "ud_icon": "tag:str token:str style:map",
    "border": "color:color corner_radius:str",
    "panel_header": (
        "title:<panel_title> background_color:color width:fill|auto|auto_when_fold "
        "vertical_align:top|center|bottom padding:str icon:<icon> icon_position:left|right|follow_text "
        "icon_expanded_angle:num position:str"
    ),
    "option": (
        "text:<plain> value:str icon:<icon> multi_url:{link} img_key:key i18n_img_key:map disabled:bool "
        "disabled_tips:<plain> hover_tips:<plain>"
    ),
    "table_column": (
        "name:str display_name:str data_type:str width:str vertical_align:top|center|bottom "
        "horizontal_align:left|center|right format:{number_format} date_format:str"
    ),
    "number_format": "precision:num symbol:str separator:bool",
    "header_style": (
        "text_align:left|center|right text_size:str background_style:color text_color:color bold:bool "
        "lines:num"
    ),
    "button_area": "pc_display_rule:always|on_hover buttons:<button>[]",
    "checked_style": "show_strikethrough:bool opacity:num",
}
_TAGS = {
    # Texts and icons.
    "plain_text": _TEXT,
    "lark_md": _TEXT,
    "text_tag": "tag:str element_id:str text:<plain> color:color",
    "standard_icon": _ICON,
    "custom_icon": _ICON,
    # Containers.
    "column_set": (
        f"{_ANY} columns:<column>[] flex_mode:none|stretch|flow|bisect|trisect horizontal_spacing:str "
        "horizontal_align:left|center|right background_style:color action:{jump}"
    ),
    "column": (
        f"{_ANY} {_LAYOUT} width:str weight:num background_style:color action:{{jump}} elements:<component>[]"
    ),
    "form": f"{_ANY} {_LAYOUT} name:str elements:<component>[] fallback",
    "interactive_container": (
        f"{_ANY} {_LAYOUT} {_USED} width:str height:str background_style:color has_border:bool "
        "border_color:color corner_radius:str hover_tips:<plain> elements:<component>[]"
    ),
    "collapsible_panel": (
        f"{_ANY} {_LAYOUT} expanded:bool background_color:color header:{{panel_header}} border:{{border}} "
        "elements:<component>[]"
    ),
    # What is shown.
    "markdown": (
        f"{_ANY} content:str i18n_content:map text_size:str text_align:left|center|right icon:<icon>"
    ),
    "div": f"{_ANY} text:<text> width:str icon:<icon> fields:{{field}}[]",
    "img": (
        f"{_ANY} img_key:key i18n_img_key:map alt:<plain> title:<plain> corner_radius:str "
        "scale_type:crop_center|crop_top|fit_horizontal size:str transparent:bool preview:bool mode:str "
        "custom_width:num compact_width:bool"
    ),
    "img_combination": (
        f"{_ANY} combination_mode:double|triple|bisect|trisect combination_transparent:bool "
        "corner_radius:str img_list:{picture}[]"
    ),
    "person": (
        f"{_ANY} user_id:str size:extra_small|small|medium|large show_avatar:bool show_name:bool "
        "style:normal|capsule"
    ),
    "person_list": (
        f"{_ANY} persons:{{person}}[] size:extra_small|small|medium|large lines:num show_name:bool "
        "show_avatar:bool drop_invalid_user_id:bool icon:<icon> ud_icon:{ud_icon}"
    ),
    "chart": (
        f"{_ANY} chart_spec aspect_ratio:1:1|2:1|4:3|16:9 "
        "color_theme:brand|rainbow|complementary|converse|primary height:str preview:bool"
    ),
    "table": (
        f"{_ANY} columns:{{table_column}}[] rows page_size:num row_height:str row_max_height:str "
        "freeze_first_column:bool header_style:{header_style}"
    ),
    "hr": _ANY,
    "audio": (
        f"{_ANY} {_DISABLED} file_key:str i18n_file_key:map audio_id:str show_progress_bar:bool "
        "show_time:bool time_display:default|both time_position:end|start|both_sides border:{border} "
        "style:normal|flat|speak padding:str background_style:color fill_color:color width:str fallback"
    ),
    # What is used.
    "button": (
        f"{_ANY} {_USED} name:str text:<plain> "
        "type:default|primary|danger|text|primary_text|danger_text|primary_filled|danger_filled|laser "
        "size:tiny|small|medium|large width:str icon:<icon> hover_tips:<plain> "
        "form_action_type:submit|reset action_type:form_submit|form_reset value url:str"
    ),
    "input": (
        f"{_FIELD} default_value:str i18n_default_value:map label:<plain> label_position:top|left "
        "max_length:num input_type:text|multiline_text|password show_icon:bool rows:num auto_resize:bool "
        "max_rows:num"
    ),
    "overflow": (f"{_ANY} width:str options:{{option}}[] behaviors:{{behavior}}[] confirm:{{confirm}} value"),
    "select_static": f"{_SELECT} initial_option:str initial_index:num",
    "multi_select_static": f"{_SELECT} selected_values:list",
    "select_person": f"{_SELECT} initial_option:str initial_index:num",
    "multi_select_person": f"{_SELECT} selected_values:list",
    "date_picker": f"{_FIELD} initial_date:str",
    "picker_time": f"{_FIELD} initial_time:str",
    "picker_datetime": f"{_FIELD} initial_datetime:str",
    "select_img": (
        f"{_ANY} {_DISABLED} behaviors:{{behavior}}[] name:str required:bool value options:{{option}}[] "
        "multi_select:bool layout:stretch|bisect|trisect aspect_ratio:1:1|16:9|4:3 can_preview:bool"
    ),
    "checker": (
        f"{_ANY} {_USED} name:str hover_tips:<plain> text:<text> checked:bool overall_checkable:bool "
        "button_area:{button_area} checked_style:{checked_style} padding:str"
    ),
}
#: What JSON 1.0 has besides; other properties than these are ignored there.
_OBJECTS_1 = {"card": "elements:<component>[] i18n_elements:{locales}"}
_TAGS_1 = {
    "action": "actions:<component>[]",
    "note": "elements:<note_part>[]",
    "div": "extra:<component>",
}


class Kind(NamedTuple):
    """What a property holds. `form` says what `name` is: plain, words, object or slot."""

    form: str
    name: str
    many: bool


Shape = dict[str, Kind]


def _parse_kind(notation: str) -> Kind:
    many = notation.endswith("[]")
    bare = notation.removesuffix("[]")
    if bare.startswith(("{", "<")):
        return Kind("object" if bare[0] == "{" else "slot", bare[1:-1], many)
    return Kind("words" if "|" in bare else "plain", bare, many)


def _read(table: Mapping[str, str]) -> dict[str, Shape]:
    return {
        name: {prop: _parse_kind(kind) for prop, _, kind in (word.partition(":") for word in line.split())}
        for name, line in table.items()
    }


def _join(table: Mapping[str, Shape], more: Mapping[str, Shape]) -> dict[str, Shape]:
    return {name: {**table.get(name, {}), **more.get(name, {})} for name in (*table, *more)}


OBJECTS = _read(_OBJECTS)
TAGS = _read(_TAGS)
OBJECTS_1 = _join(OBJECTS, _read(_OBJECTS_1))
TAGS_1 = _join({tag: shape for tag, shape in TAGS.items() if tag != "audio"}, _read(_TAGS_1))

TEXTS = frozenset({"plain_text", "lark_md"})
ICONS = frozenset({"standard_icon", "custom_icon"})
_PARTS = TEXTS | ICONS | {"text_tag", "column"}
#: The tags that fit each slot.
SLOTS = {
    "component": frozenset(TAGS) - _PARTS,
    "column": frozenset({"column"}),
    "button": frozenset({"button"}),
    "text": TEXTS,
    "plain": frozenset({"plain_text"}),
    "panel_title": frozenset({"plain_text", "markdown"}),
    "text_tag": frozenset({"text_tag"}),
    "icon": ICONS,
}
SLOTS_1 = {
    **SLOTS,
    "component": frozenset(TAGS_1) - _PARTS,
    "note_part": TEXTS | {"img", "standard_icon"},
}
#: Slots in which the `tag` may be missing, and as what the object is read then.
UNTAGGED = {
    "text": "plain_text",
    "plain": "plain_text",
    "panel_title": "plain_text",
    "text_tag": "text_tag",
    "icon": "custom_icon",
}
#: 2.0 dropped these (200861).
DROPPED = frozenset({"action", "note"})
CONTAINERS = frozenset({"column_set", "form", "interactive_container", "collapsible_panel"})
ROOT_ONLY = frozenset({"form", "table"})
FORM_ONLY = frozenset({"multi_select_static", "multi_select_person"})
#: What counts as an element besides the components: every object with the tag of a text.
COUNTED = frozenset({*TAGS, *TAGS_1}) - ICONS - {"text_tag"}
#: What a user fills in; inside a form each needs a name.
FILLED_IN = frozenset(tag for tag, shape in TAGS.items() if "required" in shape) | {"checker"}

MAX_ELEMENTS = 200
MAX_LEVELS = 5
