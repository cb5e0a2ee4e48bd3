"""Reads cards of JSON 1.0, which ignore unknown properties, and refuses what Lark refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.api.cards import shapes, values
from lark_provider.api.cards.findings import Doubt, iterate_items, join, make_refusal_error, require_object
from lark_provider.api.cards.reader import Counted, check_submit, check_tag

_KNOWN = (
    frozenset(shapes.COMPONENTS) - {"audio"}
    | shapes.TEXT_TAGS
    | {"action", "note", "standard_icon", "custom_icon"}
)
# Where components and texts stand: lists and single objects.
_LISTS = ("elements", "actions", "columns", "fields", "options")
_SINGLE = ("text", "extra", "title", "alt", "placeholder", "label")


class Reader1(Counted):
    """Walks through one card of JSON 1.0."""

    def check_card(self, card: Mapping[str, Any]) -> None:
        """Check a whole card."""
        header = card.get("header")
        if isinstance(header, Mapping):
            template = {name: header[name] for name in ("template",) if name in header}
            self.doubts.extend(values.check_values("header", template, "header"))
            self.inside(header, "header", ())
        for item, place in (
            iterate_items(card["elements"], "elements") if card.get("elements") is not None else ()
        ):
            self.check_element(item, place, ())

    def check_element(self, value: Any, path: str, around: tuple[str, ...]) -> None:
        """Check a component and what it holds.

        Args:
            value: The component.
            path: Its place in the card.
            around: The tags of the components that contain it, outermost first.
        """
        require_object(value, path)
        tag = value.get("tag")
        check_tag(tag, path)
        if tag not in _KNOWN:
            self.doubts.append(Doubt(join(path, "tag"), f"is {tag!r}, unknown to JSON 1.0", "use 2.0"))
        if tag == "action" and "column" in around:
            raise make_refusal_error(
                path, "is an action in a column", "put its buttons straight into the column"
            )
        self.check_node(tag, value, path, around)

    def check_node(self, tag: str, value: Mapping[str, Any], path: str, around: tuple[str, ...]) -> None:
        """Count a component or a text, and check what it holds."""
        self.count(path)
        self.count_tables(tag, value, path)
        self.check_name(tag, value, path, in_form="form" in around)
        if tag == "form":
            direct = value.get("elements")
            check_submit({"elements": direct}, path, lambda node: _submits(node) and _is_among(node, direct))
        if "img_key" in value:
            self.doubts.extend(values.check_values("img", {"img_key": value["img_key"]}, path))
        values.check_content(value, path)
        self.inside(value, path, (*around, tag))

    def inside(self, value: Mapping[str, Any], path: str, around: tuple[str, ...]) -> None:
        """Check the components and texts of an object; members of another type are not components."""
        for name in _LISTS:
            if isinstance(value.get(name), (list, tuple)):
                for item, place in iterate_items(value[name], join(path, name)):
                    if name in ("elements", "actions", "columns"):
                        self.check_element(item, place, around)
                    elif isinstance(item, Mapping):
                        self.inside(item, place, around)
        for name in _SINGLE:
            inner = value.get(name)
            if isinstance(inner, Mapping) and isinstance(inner.get("tag"), str):
                self.check_node(inner["tag"], inner, join(path, name), around)


def _is_among(node: Mapping[str, Any], direct: Any) -> bool:
    return isinstance(direct, (list, tuple)) and any(node is element for element in direct)


def _submits(node: Mapping[str, Any]) -> bool:
    """Say whether a button sends its form: with `behaviors` it does not, in JSON 1.0."""
    return (
        node.get("tag") == "button"
        and (node.get("action_type") == "form_submit" or node.get("form_action_type") == "submit")
        and "behaviors" not in node
    )
