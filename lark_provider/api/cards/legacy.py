"""Reads cards of JSON 1.0, which ignore unknown properties, and refuses what Lark refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.api.cards import shapes, values
from lark_provider.api.cards.findings import Doubt, iterate_items, join, make_refusal_error, require_object
from lark_provider.api.cards.reader import Counted, check_submit, check_tag


class Reader1(Counted):
    """Walks through one card of JSON 1.0.

    A malformed object that is not a component, such as a text or an option, passes with a warning, since Lark
    is not known to refuse it.
    """

    def check_card(self, card: Mapping[str, Any]) -> None:
        """Check a whole card, in each of its languages."""
        if isinstance(card.get("header"), Mapping):
            self.read("header", shapes.OBJECTS_1["header"], card["header"], "header", ())
        languages = {"elements": card["elements"]} if card.get("elements") is not None else {}
        translated = card.get("i18n_elements")
        if isinstance(translated, Mapping):
            languages |= {f"i18n_elements.{locale}": elements for locale, elements in translated.items()}
        elif translated is not None:
            self.doubt("i18n_elements", "must be an object", "pass a list of elements for each language")
        if isinstance(card.get("card"), Mapping):
            self.doubt("card", "is a card within the card, which Lark ignores", "pass the inner card alone")
        elif not (languages or translated or card.get("header")):
            self.doubt("elements", "is missing, so that the card is blank", "add its elements")
        self.check_languages(languages)

    def check_languages(self, languages: Mapping[str, Any]) -> None:
        """Check the elements of each language, by their place in the card.

        A reader sees one language, so names, elements and tables are counted for each language. It is not
        known whether Lark counts all languages together; a card that has too many only in total gets a
        warning.
        """
        in_header = self.elements
        names: dict[str, str] = {}
        elements, tables, repeated = in_header, 0, ""
        for path, items in languages.items():
            self.elements, self.tables, self.names = in_header, 0, {}
            if items is None:
                self.doubt(path, "must be a list", "pass a list of elements")
                continue
            for item, place in iterate_items(items, path):
                self.check_element(item, place, ())
            elements, tables = elements + self.elements - in_header, tables + self.tables
            repeated = repeated or next((self.names[name] for name in self.names if name in names), "")
            names |= self.names
        if repeated:
            what = "occurs in another language as well, and Lark may want names to be unique in the card"
            self.doubt(repeated, what, "give it a name of its own in each language")
        if elements > shapes.MAX_ELEMENTS or tables > shapes.MAX_TABLES:
            what = "has more elements or tables in all languages together than Lark takes in a card"
            self.doubt("i18n_elements", what, "send a card for each language")

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
        if tag == "action" and "column" in around:
            raise make_refusal_error(
                path, "is an action in a column", "put its buttons straight into the column"
            )
        if tag in shapes.NOT_COMPONENTS_1:
            self.doubt(join(path, "tag"), f"is {tag!r}, which is no component of JSON 1.0", "use a component")
        elif tag not in shapes.COMPONENTS_1:
            raise make_refusal_error(
                join(path, "tag"),
                f"is {tag!r}, which JSON 1.0 does not know",
                "use JSON 2.0, or a tag of 1.0",
            )
        else:
            self.check_known(tag, value, path, around)

    def check_known(self, tag: str, value: Mapping[str, Any], path: str, around: tuple[str, ...]) -> None:
        """Check a component with a tag of JSON 1.0, and what it holds."""
        in_form = "form" in around
        self.count(path)
        self.count_tables(tag, value, path)
        if tag in shapes.ROOT_ONLY and around:
            self.doubt(path, f"is a {tag} inside another component", "put it straight into elements")
        self.check_form_only(tag, value, path, in_form=in_form)
        if "name" not in shapes.COMPONENTS_1[tag]:
            pass  # Lark ignores it, as any other property that the component does not have
        elif isinstance(value.get("name"), str | None):
            self.check_name(tag, value, path, in_form=in_form)
        else:
            self.doubt(join(path, "name"), "must be a string", "pass a str")
        if tag == "form":
            direct = value.get("elements")
            check_submit({"elements": direct}, path, lambda node: _submits(node) and _is_among(node, direct))
        self.read(tag, shapes.COMPONENTS_1[tag], value, path, (*around, tag))

    def read(
        self,
        kind: str,
        shape: Mapping[str, str],
        value: Mapping[str, Any],
        path: str,
        around: tuple[str, ...],
    ) -> None:
        """Check an object of a known kind, and all that it holds."""
        # Lark ignores properties that are not those of the object.
        known = {name: value[name] for name in shape if value.get(name) is not None}
        self.doubts.extend(values.check_values(kind, known, path, v2=False))
        for name, inner in shape.items():
            if not inner or name not in known:
                continue
            place, item_kind = join(path, name), inner.removesuffix("[]")
            if inner == "element" and not (isinstance(known[name], Mapping) and known[name].get("tag")):
                self.doubt(place, "must be a component", "pass one, or leave it out")
            elif inner == item_kind:
                self.check_member(item_kind, known[name], place, around)
            elif isinstance(known[name], (list, tuple)):
                for item, item_place in iterate_items(known[name], place):
                    self.check_member(item_kind, item, item_place, around)
            else:
                self.doubt(place, "must be a list", "pass a list")

    def check_member(self, kind: str, value: Any, path: str, around: tuple[str, ...]) -> None:
        """Check one object in a property, or in the list there."""
        if kind == "element":
            self.check_element(value, path, around)
            return
        if not isinstance(value, Mapping):
            self.doubt(path, "must be an object", "pass a dict")
            return
        tag, allowed = value.get("tag"), shapes.TAGS_1.get(kind)
        if allowed is not None and not (isinstance(tag, str | None) and tag in allowed):
            self.doubt(join(path, "tag"), f"is {tag!r}, which Lark may ignore here", "compare Lark's pages")
        elif allowed is not None and isinstance(tag, str) and tag in shapes.COMPONENTS_1:
            self.check_known(tag, value, path, around)
        else:
            if allowed is not None and tag in shapes.TEXT_TAGS:
                self.count(path)
            self.read(kind, shapes.OBJECTS_1[kind], value, path, around)

    def doubt(self, path: str, what: str, step: str) -> None:
        """Note something that Lark may refuse or ignore."""
        self.doubts.append(Doubt(path, what, step))


def _is_among(node: Mapping[str, Any], direct: Any) -> bool:
    return isinstance(direct, (list, tuple)) and any(node is element for element in direct)


def _submits(node: Mapping[str, Any]) -> bool:
    """Return whether a button submits its form; in JSON 1.0, one with `behaviors` does not."""
    return (
        node.get("tag") == "button"
        and (node.get("action_type") == "form_submit" or node.get("form_action_type") == "submit")
        and "behaviors" not in node
    )
