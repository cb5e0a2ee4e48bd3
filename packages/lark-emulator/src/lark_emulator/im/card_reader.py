"""Reads a card by the schema, as Lark does before it looks at what the card says: 200621, 200861, 11310."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im import card_schema as schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lark_emulator.im.card_schema import Kind, Shape

# Sub-codes, inside the text of 230099.
UNPARSABLE = 200621
TAG_DROPPED = 200861
LIMIT_OR_DUPLICATE = 11310
ACTION_IN_COLUMN = 200410

#: The Python types of a plain value, and Lark's word for them.
_PLAIN: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "string"),
    "color": ((str,), "string"),
    "key": ((str,), "string"),
    "bool": ((bool,), "bool"),
    "num": ((int, float), "number"),
    "map": ((dict,), "map"),
    "list": ((list,), "slice"),
}


class CardNode(NamedTuple):
    """An object of a card: its tag or kind, its place, and the tags around it, outermost first."""

    kind: str
    value: dict[str, Any]
    path: str
    around: tuple[str, ...]


def make_card_error(sub_code: int, text: str, value: str = "", path: str = "") -> RefusedError:
    """Make 230099 with the sub-code, the place and the reason in Lark's order."""
    parts = {"ErrCode": str(sub_code), "ErrPath": path, "ErrMsg": text, "ErrorValue": value}
    detail = "".join(f"{name}: {part}; " for name, part in parts.items() if part)
    return RefusedError(codes.CARD_FAILED, detail)


def refuse_unparsable(reason: str = "", path: str = "") -> NoReturn:
    """Refuse a card that does not fit the schema.

    Raises:
        RefusedError: 230099 with 200621, reason and path.
    """
    value = f"{reason}, path: {path}" if path else reason
    raise make_card_error(
        UNPARSABLE, "parse card json err, please check whether the card json is correct", value
    )


class CardReader:
    """Walks through one card and collects its objects.

    Args:
        v2: Whether it is JSON 2.0, which refuses what it does not know.
        rules: The unconfirmed rules that apply, see `Settings.card_rules`.
    """

    def __init__(self, rules: Collection[str], *, v2: bool) -> None:
        self.v2, self.rules = v2, rules
        self.objects = schema.OBJECTS if v2 else schema.OBJECTS_1
        self.tags = schema.TAGS if v2 else schema.TAGS_1
        self.slots = schema.SLOTS if v2 else schema.SLOTS_1
        self.nodes: list[CardNode] = []

    def read(self, card: dict[str, Any]) -> list[CardNode]:
        """Return all objects of a card, outermost first."""
        self._read_object("card", self.objects["card"], card, "ROOT", ())
        return self.nodes

    def _read_object(self, kind: str, shape: Shape, value: Any, path: str, around: tuple[str, ...]) -> None:
        self.nodes.append(CardNode(kind, value, path, around))
        if self.v2 and "properties" in self.rules:
            for name in value:
                if name not in shape:
                    refuse_unparsable(f"unknown property, property: {name}", path)
        inside = (*around, kind) if kind in self.tags else around
        for name, inner in shape.items():
            if value.get(name) is not None:
                self._read_property(inner, value[name], f"{path} -> {name}", inside)

    def _read_property(self, kind: Kind, value: Any, path: str, around: tuple[str, ...]) -> None:
        if kind.name == "locales":
            for locale, elements in value.items() if isinstance(value, dict) else ():
                self._read_property(self.objects["card"]["elements"], elements, f"{path} -> {locale}", around)
        elif kind.form in ("plain", "words"):
            self._check_plain(kind, value, path)
        else:
            for item, place in _iterate_items(value, path) if kind.many else ((value, path),):
                if isinstance(item, dict):
                    self._read_member(kind, item, place, around)
                elif self.v2 or kind.name == "component":
                    refuse_unparsable(f"expected map for {kind.name}, but: {item!r}", place)

    def _read_member(self, kind: Kind, value: dict[str, Any], path: str, around: tuple[str, ...]) -> None:
        if kind.form == "object":
            self._read_object(kind.name, self.objects[kind.name], value, path, around)
            return
        tag: Any = value.get("tag")
        if tag is None:
            tag = schema.UNTAGGED.get(kind.name)
        place = f"{path}(tag: {tag})"
        tag = tag if isinstance(tag, str) else ""
        fits = self._fits_2 if self.v2 else self._fits_1
        if fits(tag, kind.name, place, around):
            self._read_object(tag, self.tags[tag], value, place, around)

    def _fits_1(self, tag: str, slot: str, path: str, around: tuple[str, ...]) -> bool:
        """Return whether a tag of 1.0 is read here; False for what passes without a look inside."""
        if tag == "action" and "column" in around:
            raise make_card_error(
                ACTION_IN_COLUMN, "action components are not allowed in the column", path=path
            )
        if slot == "component" and tag not in self.slots[slot]:
            raise make_card_error(LIMIT_OR_DUPLICATE, "unsupported type of block", tag, path)
        return tag in self.slots[slot]

    def _fits_2(self, tag: str, slot: str, path: str, around: tuple[str, ...]) -> bool:
        """Return whether a tag of 2.0 is read here; False for what passes without a look inside."""
        if tag in schema.DROPPED and slot == "component" and (tag == "note" or "form" not in around):
            text = "cards of schema V2 no longer support this capability"
            raise make_card_error(TAG_DROPPED, text, f"unsupported tag {tag}", path)
        if tag in self.slots[slot] and not self._is_misplaced(tag, around):
            self._check_depth(tag, path, around)
            return True
        if tag == "lark_md" and slot in ("plain", "panel_title") and "text_tags" not in self.rules:
            return True
        if not tag or tag in schema.TAGS_1 or "tags" in self.rules:
            refuse_unparsable(f"type of element is not supported tag: {tag}", path)
        return False

    def _is_misplaced(self, tag: str, around: tuple[str, ...]) -> bool:
        if tag in schema.ROOT_ONLY and around:
            lenient = tag == "table" and "container_table" not in self.rules
            return not (lenient and set(around) == {"interactive_container"})
        return tag in schema.FORM_ONLY and "form" not in around and "multi_select" in self.rules

    def _check_depth(self, tag: str, path: str, around: tuple[str, ...]) -> None:
        levels = sum(outer in schema.CONTAINERS for outer in around)
        if tag in schema.CONTAINERS and levels == schema.MAX_LEVELS and "nesting" in self.rules:
            raise make_card_error(LIMIT_OR_DUPLICATE, "container nesting over limit", tag, path)

    def _check_plain(self, kind: Kind, value: Any, path: str) -> None:
        if not self.v2:
            return
        types, word = _PLAIN.get(kind.name, ((object,), "")) if kind.form == "plain" else ((str,), "string")
        if not isinstance(value, types) or (isinstance(value, bool) and word == "number"):
            refuse_unparsable(f"expected {word} for {path.rpartition(' ')[2]}, but: {value!r}", path)
        if kind.form == "words" and value not in kind.name.split("|") and "values" in self.rules:
            refuse_unparsable(f"unknown value: {value}", path)


def _iterate_items(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if not isinstance(value, list):
        refuse_unparsable(f"expected slice, but: {value!r}", path)
    return ((item, f"{path} -> [{index}]") for index, item in enumerate(value))
