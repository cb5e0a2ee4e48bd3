"""The components of a card by their `element_id`: found, added, changed, taken away. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes_im
from lark_emulator.codes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("insert_before", "insert_after", "append")
#: The list or object that holds something, and its place there.
Spot = tuple[Any, Any]
#: Components whose text can be streamed.
TEXTS = ("markdown", "plain_text")


def find(card: dict[str, Any], element_id: str) -> Spot:
    """Return where a component stands: the list or object that holds it, and its place there.

    Raises:
        RefusedError: 300313, no component of the card has this id.
    """
    for holder, place in _iterate_places(card):
        value = holder[place]
        if isinstance(value, dict) and value.get("element_id") == element_id:
            return holder, place
    raise RefusedError(codes_im.ELEMENT_FAILED._replace(msg=f"not find elementID : {element_id}"))


def _iterate_places(value: Any) -> Iterator[Spot]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for place, member in pairs:
        if isinstance(member, (dict, list)):
            yield value, place
            yield from _iterate_places(member)


def get(card: dict[str, Any], element_id: str) -> dict[str, Any]:
    """Return a component."""
    holder, place = find(card, element_id)
    element: dict[str, Any] = holder[place]
    return element


def add(card: dict[str, Any], place: str, target: str, elements: object) -> None:
    """Add components before, after, or at the end: of the card, or of the container `target`.

    Raises:
        RefusedError: 300315, they are no components, or there is no such place.
    """
    if (
        not isinstance(elements, list)
        or not elements
        or not all(isinstance(element, dict) for element in elements)
    ):
        raise RefusedError(codes_im.ADD_FAILED, "elements must be a list of components")
    if place not in PLACES:
        raise RefusedError(codes_im.ADD_FAILED, f"type must be one of {', '.join(PLACES)}")
    if place == "append":
        around = card["body"] if not target else _find_target(card, target)[2]
        inner = around.setdefault("elements", [])
        if not isinstance(inner, list):
            raise RefusedError(codes_im.ADD_FAILED, f"{target} is no container")
        inner.extend(elements)
        return
    if not target:
        raise RefusedError(codes_im.ADD_FAILED, "target_element_id is required")
    holder, at, _ = _find_target(card, target)
    if not isinstance(holder, list) or not isinstance(at, int):
        raise RefusedError(codes_im.ADD_FAILED, f"{target} does not stand in a list")
    at += place == "insert_after"
    holder[at:at] = elements


def _find_target(card: dict[str, Any], target: str) -> tuple[Any, Any, dict[str, Any]]:
    try:
        holder, place = find(card, target)
    except RefusedError as refusal:
        raise RefusedError(codes_im.ADD_FAILED, refusal.msg) from None
    return holder, place, holder[place]


def replace(card: dict[str, Any], element_id: str, element: object) -> None:
    """Put a component in the place of another.

    Raises:
        RefusedError: 300121, it is not a component, or there is none to replace.
    """
    if not isinstance(element, dict):
        raise RefusedError(codes_im.REPLACE_FAILED, "element must be a component")
    try:
        holder, place = find(card, element_id)
    except RefusedError as refusal:
        raise RefusedError(codes_im.REPLACE_FAILED, refusal.msg) from None
    holder[place] = element


def patch(card: dict[str, Any], element_id: str, changes: object) -> None:
    """Change properties of a component.

    Raises:
        RefusedError: 300313 (no such component, no object), 300312 (another tag).
    """
    if not isinstance(changes, dict):
        raise RefusedError(codes_im.ELEMENT_FAILED, "partial_element must be an object")
    element = get(card, element_id)
    if changes.get("tag", element.get("tag")) != element.get("tag"):
        raise RefusedError(codes_im.TAG_CHANGED)
    element.update(changes)


def delete(card: dict[str, Any], element_id: str) -> None:
    """Remove a component.

    Raises:
        RefusedError: 300314, there is none.
    """
    try:
        holder, place = find(card, element_id)
    except RefusedError as refusal:
        raise RefusedError(codes_im.DELETE_FAILED, refusal.msg) from None
    del holder[place]


def write(card: dict[str, Any], element_id: str, text: str) -> None:
    """Put a text in the place of a component's whole text.

    Raises:
        RefusedError: 300313 (no such component), 300310 (it does not hold text).
    """
    element = get(card, element_id)
    if element.get("tag") not in TEXTS:
        raise RefusedError(codes_im.ONLY_TEXT)
    element["content"] = text


def configure(card: dict[str, Any], settings: object) -> None:
    """Change `config` and `card_link` of a card.

    Raises:
        RefusedError: 300122, there is something else, or no object.
    """
    if not isinstance(settings, dict) or not set(settings) <= {"config", "card_link"}:
        raise RefusedError(codes_im.CONFIG_FAILED, "settings may hold config and card_link")
    for name, members in settings.items():
        if not isinstance(members, dict):
            raise RefusedError(codes_im.CONFIG_FAILED, f"{name} must be an object")
        card[name] = {**(card.get(name) or {}), **members}
