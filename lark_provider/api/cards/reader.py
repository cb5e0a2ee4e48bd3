"""Reads cards of JSON 2.0 and refuses what Lark refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lark_provider.api.cards import shapes, values
from lark_provider.api.cards.findings import (
    Doubt,
    iterate_items,
    join,
    make_refusal_error,
    only_once,
    require_object,
)

_ELEMENT_ID = re.compile(shapes.ELEMENT_ID)


class Counted:
    """Counts what may occur once or a limited number of times; the same in JSON 1.0 and 2.0."""

    def __init__(self) -> None:
        self.doubts: list[Doubt] = []
        self.names: dict[str, str] = {}
        self.elements = self.tables = 0

    def count(self, path: str) -> None:
        """Count an element, and refuse it if there are too many."""
        self.elements += 1
        if self.elements > shapes.MAX_ELEMENTS:
            raise make_refusal_error(
                path,
                f"is element {self.elements}, texts counted; Lark takes {shapes.MAX_ELEMENTS}",
                "send a second card",
            )

    def count_tables(self, tag: str, value: Mapping[str, Any], path: str) -> None:
        """Count the tables of a component, and refuse it if there are too many."""
        self.tables += values.count_tables(tag, value)
        if self.tables > shapes.MAX_TABLES:
            raise make_refusal_error(
                path, f"has table {shapes.MAX_TABLES + 1} of the card", "send the rest in a second card"
            )

    def check_form_only(self, tag: str, value: Mapping[str, Any], path: str, *, in_form: bool) -> None:
        """Check that a component for several choices is in a form."""
        several = tag in shapes.FORM_ONLY or (tag == "select_img" and value.get("multi_select") is True)
        if several and not in_form:
            self.doubts.append(
                Doubt(path, f"is a {tag} for several choices outside a form", "put it into a form")
            )

    def check_name(self, tag: str, value: Mapping[str, Any], path: str, *, in_form: bool) -> None:
        """Check that a form has a name, and that a name is unique in the card."""
        name, place = value.get("name"), join(path, "name")
        if name is None or name == "":
            step = f"name the {tag}: the callback brings its value under this name"
            if tag == "form":
                raise make_refusal_error(place, "must not be empty", step)
            if in_form and tag in shapes.NAMED_IN_FORM:
                self.doubts.append(
                    Doubt(place, "is empty, so that the form fails at the click (200530)", step)
                )
        elif not isinstance(name, str):
            raise make_refusal_error(place, f"must be a string, got {type(name).__name__}", "pass a str")
        else:
            only_once(self.names, name, place)


class Reader2(Counted):
    """Walks through one card of JSON 2.0."""

    def __init__(self) -> None:
        super().__init__()
        self.element_ids: dict[str, str] = {}
        self.audio_ids: dict[str, str] = {}
        self.containers: list[str] = []
        self.forwardable = True

    def check_card(self, card: Mapping[str, Any]) -> None:
        """Check a whole card."""
        config = card.get("config")
        self.forwardable = not (isinstance(config, Mapping) and config.get("enable_forward") is False)
        if card.get("body") is None:
            self.doubts.append(Doubt("body", "is missing, so that the card is blank", "add its elements"))
        self.read("card", card, "")

    def read(self, kind: str, value: Any, path: str, shape: Mapping[str, str] | None = None) -> None:
        """Check an object of a known kind, and all that it holds."""
        shape = shapes.OBJECTS[kind] if shape is None else shape
        for name in require_object(value, path):
            # A property `i18n_…` holds the other languages of a text.
            translated = name.removeprefix("i18n_")
            if name not in shape and not (translated in shapes.TRANSLATED and translated in shape):
                self.check_unknown_property(kind, name, join(path, name), shape)
        if "element_id" in shape:
            self.check_element_id(value.get("element_id"), join(path, "element_id"))
        if kind == "text" and value.get("tag") in shapes.TEXT_TAGS:
            self.count(path)
        self.doubts.extend(values.check_values(kind, value, path))
        for name, inner in shape.items():
            if inner and value.get(name) is not None:
                if inner == "text":
                    self.doubts.extend(values.check_text_tag(kind, value[name], join(path, name)))
                self.check_member(inner, value[name], join(path, name))

    def check_member(self, kind: str, value: Any, path: str) -> None:
        """Check what a property holds: one object or a list of them."""
        for item, place in iterate_items(value, path) if kind.endswith("[]") else ((value, path),):
            item_kind = kind.removesuffix("[]")
            if item_kind in {"element", "column"}:
                self.check_element(item, place, only="column" if item_kind == "column" else None)
            else:
                self.read(item_kind, item, place)

    def check_element(self, value: Any, path: str, *, only: str | None = None) -> None:
        """Check a component, whatever its tag."""
        require_object(value, path)
        tag = value.get("tag")
        check_tag(tag, path)
        if tag in shapes.DROPPED_TAGS:
            raise make_refusal_error(
                join(path, "tag"), f"is {tag!r}, which JSON 2.0 dropped", shapes.DROPPED_TAGS[tag]
            )
        if (tag == "column") != (only == "column"):
            raise make_refusal_error(
                path,
                f"must {'' if only == 'column' else 'not '}be a column, got {tag}",
                "put columns, and nothing else, into column_set.columns",
            )
        self.count(path)
        self.check_place(tag, value, path)
        self.count_tables(tag, value, path)
        self.check_name(tag, value, path, in_form="form" in self.containers)
        if tag == "form":
            check_submit(value, path, _submits)
        if tag == "audio":
            values.check_audio(value, path, forwardable=self.forwardable, seen=self.audio_ids)
        if tag in shapes.CONTAINERS:
            self.containers.append(tag)
        if tag in shapes.COMPONENTS:
            self.read(tag, value, path, shapes.COMPONENTS[tag])
        else:
            self.check_unknown_tag(tag, value, path)
        if tag in shapes.CONTAINERS:
            self.containers.pop()

    def check_place(self, tag: str, value: Mapping[str, Any], path: str) -> None:
        """Check that a component is allowed at its place."""
        if tag in shapes.ROOT_ONLY and not re.fullmatch(r"body\.elements\[\d+\]", path):
            if tag == "form" or set(self.containers) - {"interactive_container"}:
                raise make_refusal_error(
                    path, f"is a {tag} inside another component", "put it straight into body.elements"
                )
            self.doubts.append(
                Doubt(path, "is a table in an interactive_container", "put it straight into body.elements")
            )
        if tag in shapes.CONTAINERS and len(self.containers) == shapes.MAX_NESTING:
            raise make_refusal_error(
                path, f"is nested deeper than {shapes.MAX_NESTING} levels", "flatten the layout"
            )
        in_form = "form" in self.containers
        if value.get("form_action_type") and not in_form:
            raise make_refusal_error(
                join(path, "form_action_type"),
                "must be given inside a form only",
                "put the button into a form",
            )
        self.check_form_only(tag, value, path, in_form=in_form)

    def check_unknown_tag(self, tag: str, value: Mapping[str, Any], path: str) -> None:
        """Check what is known of a component that is newer than our table: its id, and components inside."""
        self.doubts.append(
            Doubt(join(path, "tag"), f"is {tag!r}, which is unknown to this version", "compare Lark's pages")
        )
        self.check_element_id(value.get("element_id"), join(path, "element_id"))
        if isinstance(value.get("elements"), list):
            self.check_member("element[]", value["elements"], join(path, "elements"))

    def check_unknown_property(self, kind: str, name: str, path: str, shape: Mapping[str, str]) -> None:
        """Refuse a property that Lark has refused, and warn of any other that is not in the table."""
        from difflib import get_close_matches  # rarely needed

        if (kind, name) in shapes.REFUSED_PROPERTIES:
            raise make_refusal_error(
                path, f"is unknown to Lark in a {kind}", shapes.REFUSED_PROPERTIES[kind, name]
            )
        step = shapes.DROPPED_PROPERTIES.get((kind, name))
        if step is None:
            close = get_close_matches(name, shape, n=1)
            step = f"write {close[0]!r}" if close else f"leave it out; it has {', '.join(sorted(shape))}"
        self.doubts.append(Doubt(path, f"is unknown to this version in a {kind}", step))

    def check_element_id(self, element_id: Any, path: str) -> None:
        """Check that an id has Lark's form and is unique in the card."""
        if element_id is None or element_id == "":
            return
        if not (isinstance(element_id, str) and _ELEMENT_ID.fullmatch(element_id)):
            raise make_refusal_error(
                path,
                "must be at most 20 letters, digits and underscores, beginning with a letter, got "
                f"{element_id!r}",
                "choose such an id",
            )
        only_once(self.element_ids, element_id, path)


def check_tag(tag: Any, path: str) -> None:
    """Check that a component has a tag which Lark is not known to refuse."""
    if not (isinstance(tag, str) and tag):
        raise make_refusal_error(
            join(path, "tag"),
            f"must be a non-empty string, got {tag!r}",
            "name the component, e.g. 'markdown'",
        )
    if tag in shapes.REFUSED_TAGS:
        raise make_refusal_error(
            join(path, "tag"), f"is {tag!r}, which Lark does not know", shapes.REFUSED_TAGS[tag]
        )


def check_submit(form: Mapping[str, Any], path: str, submits: Any) -> None:
    """Check that a form can be sent.

    Args:
        form: The form.
        path: Its place in the card.
        submits: Tells whether a value somewhere in the form is a submit button of this version.
    """
    if not any(submits(node) for node in _iterate_nodes(form.get("elements"))):
        raise make_refusal_error(
            path, "is a form without a submit button", 'add a button with form_action_type "submit"'
        )


def _submits(node: Mapping[str, Any]) -> bool:
    submits = node.get("form_action_type") == "submit" or node.get("action_type") == "form_submit"
    return submits and node.get("tag") == "button"


def _iterate_nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from _iterate_nodes(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _iterate_nodes(inner)
