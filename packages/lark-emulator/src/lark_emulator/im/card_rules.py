"""What Lark checks in a card that it could read: names, ids, limits, forms, values, resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator.im import card_schema as schema
from lark_emulator.im.card_markdown import count_tables, iterate_mentions, iterate_pictures, remove_code
from lark_emulator.im.card_reader import LIMIT_OR_DUPLICATE, CardNode, make_card_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from lark_emulator.world.apps import App
    from lark_emulator.world.world import World

# Sub-codes, inside the text of 230099.
BAD_VALUE = 10002
BAD_PERSON = 100290
EMPTY_NAME = 200530
BAD_CHART = 200550
BAD_PICTURE = 200570
BAD_ROWS = 200914
BAD_ROW_NAME = 200915
NO_SUBMIT_BUTTON = 300123
AUDIO_FORWARD = 300220
AUDIO_TWICE = 300230
BAD_AUDIO = 300240
BAD_ELEMENT_ID = 300301

_ELEMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}")
_PANEL_PADDINGS = (1, 4)
#: What a cell holds, by the column's `data_type`.
_CELLS: dict[str, tuple[type, ...]] = {
    "text": (str,), "lark_md": (str,), "markdown": (str,), "number": (int, float), "options": (list,),
    "persons": (str, list), "date": (int, float, str),
}  # fmt: skip
_SHAPES = {**schema.OBJECTS, **schema.TAGS}
_JSON_TYPES: dict[type, str] = {
    type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", dict: "object",
}  # fmt: skip


class Sent(NamedTuple):
    """A card on its way: its objects, and in whose name it is sent.

    `app` is None for custom bots, to which any app's pictures and open_ids are known here.
    """

    nodes: list[CardNode]
    v2: bool
    rules: Collection[str]
    most_tables: int
    world: World
    app: App | None

    def iterate_nodes(self, *kinds: str) -> Iterator[CardNode]:
        """Iterate over the objects of some kinds."""
        return (node for node in self.nodes if node.kind in kinds)

    def iterate_texts(self, *tags: str) -> Iterator[str]:
        """Iterate over the texts that hold markup, without code."""
        for node in self.iterate_nodes(*tags):
            content = node.value.get("content")
            if isinstance(content, str):
                yield remove_code(content)


def check_rules(card: Sent) -> None:
    """Apply all rules in turn.

    Raises:
        RefusedError: 230099 with the sub-code in its text.
    """
    for rule in _RULES:
        rule(card)


def _check_element_ids(card: Sent) -> None:
    seen: set[str] = set()
    for node in card.nodes if card.v2 else ():
        element_id = node.value.get("element_id") if node.kind in schema.TAGS else None
        if not element_id:
            continue
        if not _ELEMENT_ID.fullmatch(element_id):
            raise make_card_error(
                BAD_ELEMENT_ID,
                f"ElementID {element_id}: Code 1002: elementID format error. Only alphabets, numbers, and "
                "underscores are allowed. It must start with an alphabet and not exceed 20 characters.",
            )
        if element_id in seen:
            raise make_card_error(BAD_ELEMENT_ID, f"ElementID {element_id}: Code 1001: Duplicate ID")
        seen.add(element_id)


def _check_names(card: Sent) -> None:
    seen: set[str] = set()
    for node in card.nodes:
        name = node.value.get("name")
        if node.kind == "form" and not name:
            raise make_card_error(
                LIMIT_OR_DUPLICATE, "form's name is required and can not be empty string", path=node.path
            )
        filled_in = node.kind in schema.FILLED_IN and "form" in node.around
        if filled_in and not name and "form_names" in card.rules:
            raise make_card_error(EMPTY_NAME, "the name of a form element is empty", node.kind, node.path)
        if "name" in schema.TAGS.get(node.kind, ()) and isinstance(name, str) and name:
            if name in seen:
                raise make_card_error(LIMIT_OR_DUPLICATE, f"name({name}) duplicate", path=node.path)
            seen.add(name)


def _check_limits(card: Sent) -> None:
    if sum(node.kind in schema.COUNTED for node in card.nodes) > schema.MAX_ELEMENTS:
        raise make_card_error(LIMIT_OR_DUPLICATE, "element exceeds the limit")
    fenced = "fences" in card.rules
    tables = sum(
        1 if node.kind == "table" else count_tables(str(node.value.get("content")), fenced=fenced)
        for node in card.iterate_nodes("table", "markdown")
    )
    if tables > card.most_tables:
        raise make_card_error(LIMIT_OR_DUPLICATE, "card table number over limit", "table")


def _check_forms(card: Sent) -> None:
    for form in card.iterate_nodes("form"):
        buttons = (node for node in card.iterate_nodes("button") if node.path.startswith(f"{form.path} -> "))
        if not any(_submits(card, button, form) for button in buttons):
            raise make_card_error(
                NO_SUBMIT_BUTTON,
                "there is no submit button in the form container, at least one",
                path=form.path,
            )
    for node in card.iterate_nodes("button") if card.v2 else ():
        if node.value.get("form_action_type") and "form" not in node.around:
            raise make_card_error(LIMIT_OR_DUPLICATE, "formActionType only in form", path=node.path)
    for node in card.iterate_nodes("select_img") if "multi_select" in card.rules else ():
        if node.value.get("multi_select") is True and "form" not in node.around:
            raise make_card_error(LIMIT_OR_DUPLICATE, "multi_select only in form", path=node.path)


def _submits(card: Sent, button: CardNode, form: CardNode) -> bool:
    value = button.value
    if value.get("form_action_type") != "submit" and value.get("action_type") != "form_submit":
        return False
    if card.v2:
        return "behaviors" not in value or "submit_behaviors" not in card.rules
    return "behaviors" not in value and len(button.around) == len(form.around) + 1


def _check_values(card: Sent) -> None:
    for node in card.nodes:
        for name, kind in _SHAPES.get(node.kind, {}).items():
            color = node.value.get(name) if kind.name == "color" else None
            # In 1.0 no more is known than that of the header.
            if isinstance(color, str) and color.startswith("#") and (card.v2 or node.kind == "header"):
                raise make_card_error(BAD_VALUE, f"invalid color: {color}", path=node.path)
        padding = node.value.get("padding") if node.kind == "panel_header" and card.v2 else None
        if isinstance(padding, str) and len(padding.split()) not in _PANEL_PADDINGS:
            raise make_card_error(BAD_VALUE, "invalid panel header padding", path=node.path)


def _check_charts(card: Sent) -> None:
    for node in card.iterate_nodes("chart"):
        spec = node.value.get("chart_spec")
        if spec is None:
            continue
        if not isinstance(spec, dict):
            raise _make_chart_error("(root)", "object", spec)
        if "axes" in spec and not isinstance(spec["axes"], list):
            raise _make_chart_error("axes", "array", spec["axes"])


def _make_chart_error(place: str, wanted: str, value: Any) -> Exception:
    kind = _JSON_TYPES.get(type(value), "array")
    return make_card_error(
        BAD_CHART, "chart spec is invalid", f"- {place}: Invalid type. Expected: {wanted}, given: {kind}"
    )


def _check_rows(card: Sent) -> None:
    for node in card.iterate_nodes("table"):
        columns = [column for column in node.value.get("columns") or () if isinstance(column, dict)]
        types = {str(column.get("name")): str(column.get("data_type", "text")) for column in columns}
        rows = [] if node.value.get("rows") is None else node.value["rows"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise make_card_error(BAD_ROWS, "table rows is invalid", path=node.path)
        for name, cell in ((name, cell) for row in rows for name, cell in row.items()):
            if name not in types:
                raise make_card_error(BAD_ROW_NAME, "table rows name is invalid", name, node.path)
            wanted = _CELLS.get(types[name], (object,))
            if cell is not None and (not isinstance(cell, wanted) or (cell is True or cell is False)):
                raise make_card_error(BAD_ROWS, "table rows is invalid", name, node.path)
            options = cell if card.v2 and types[name] == "options" and isinstance(cell, list) else []
            for option in options:
                color = option.get("color") if isinstance(option, dict) else None
                if isinstance(color, str) and color.startswith("#"):
                    raise make_card_error(BAD_VALUE, f"invalid color: {color}", path=node.path)


def _check_sounds(card: Sent) -> None:
    config = card.nodes[0].value.get("config")
    forwardable = not isinstance(config, dict) or config.get("enable_forward") is not False
    seen: set[str] = set()
    for node in card.iterate_nodes("audio"):
        if forwardable:
            raise make_card_error(AUDIO_FORWARD, "audio elem don't support forward", path=node.path)
        audio_id = node.value.get("audio_id", "")
        if audio_id in seen:
            raise make_card_error(AUDIO_TWICE, "duplicate audio id", audio_id, node.path)
        seen |= {audio_id} - {""}
        if not _is_uploaded(card, node.value.get("file_key"), "audio"):
            raise make_card_error(
                BAD_AUDIO, "This application cannot retrieve audio information", path=node.path
            )


def _check_pictures(card: Sent) -> None:
    keys: list[Any] = []
    # JSON 1.0 ignores the property of an object that has none of this name.
    for node in (node for node in card.nodes if "img_key" in _SHAPES.get(node.kind, ())):
        translated = node.value.get("i18n_img_key")
        keys += [node.value["img_key"]] if node.value.get("img_key") else []
        keys += translated.values() if isinstance(translated, dict) else ()
    for key in (*keys, *(key for text in card.iterate_texts("markdown") for key in iterate_pictures(text))):
        if not _is_uploaded(card, key, "image"):
            raise make_card_error(BAD_PICTURE, "card contains invalid image keys", f"image key {key}")


def _is_uploaded(card: Sent, key: Any, kind: str) -> bool:
    upload = card.world.uploads.get(key) if isinstance(key, str) else None
    owned = upload is not None and (card.app is None or upload.app_id == card.app.app_id)
    return owned and upload is not None and upload.sent_as == kind


def _check_persons(card: Sent) -> None:
    for text in card.iterate_texts("markdown", "lark_md"):
        for who in iterate_mentions(text):
            _check_person(who, known=who == "all" or _is_person(card, who))
    for node in card.iterate_nodes("person", "person_list"):
        persons = [node.value.get("user_id")]
        if node.kind == "person_list" and node.value.get("drop_invalid_user_id") is not True:
            persons = [
                person.get("id") for person in node.value.get("persons") or () if isinstance(person, dict)
            ]
        for who in filter(None, persons):
            union = card.world.users.get(str(who).removeprefix("on_emulator_"))
            _check_person(str(who), known=union is not None or _is_person(card, str(who)))


def _check_person(who: str, *, known: bool) -> None:
    if not known:
        raise make_card_error(BAD_PERSON, "there is an invalid user resource (at/person) in your card", who)


def _is_person(card: Sent, who: str) -> bool:
    """Return whether an open_id, a user_id or an address is that of a user, as the sender sees it."""
    if "@" in who:
        return any(user.email == who for user in card.world.users.values())
    if who in card.world.users:
        return card.app is None or not card.app.store  # store apps know no user_ids
    apps = card.world.apps.values() if card.app is None else (card.app,)
    prefixes = tuple(f"{app.open_id_prefix}_" for app in apps)
    return any(who.removeprefix(prefix) in card.world.users for prefix in prefixes if who.startswith(prefix))


_RULES: tuple[Callable[[Sent], None], ...] = (
    _check_element_ids, _check_names, _check_limits, _check_forms, _check_values, _check_charts, _check_rows,
    _check_sounds, _check_pictures, _check_persons,
)  # fmt: skip
