"""Which component of a card is used, and what Lark tells the app about it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.im.card_schema import FILLED_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = dict[str, Any]

#: Components that answer with one member of `action`, and which.
ANSWERS = {
    "select_static": "option",
    "select_person": "option",
    "overflow": "option",
    "date_picker": "option",
    "picker_time": "option",
    "picker_datetime": "option",
    "multi_select_static": "options",
    "multi_select_person": "options",
    "select_img": "options",
    "input": "input_value",
    "checker": "checked",
}
PRESSED = ("button", "interactive_container")
#: In JSON 2.0 these do not call back without `behaviors`; all others do.
SILENT = ("checker", "interactive_container")
PICKERS = ("date_picker", "picker_time", "picker_datetime")
#: What a caller may say besides the component.
INPUTS = ("option", "options", "input_value", "checked", "form_value", "timezone")
TIMEZONE = "Asia/Shanghai"


def make_action(
    card: Node,
    wanted: str,
    inputs: dict[str, Any],
    *,
    at: str = "",
    submit_value: bool = True,
    empty_fields: str = "left_out",
) -> Node:
    """Return the `action` of a callback.

    Args:
        card: The card as it was sent, 1.0 or 2.0.
        wanted: The `name`, the `element_id` or the label of a component; empty if there is only one.
        at: Its place instead, which is never ambiguous: keys and numbers, as in `body.elements.2.columns.0`.
        inputs: What the user chose or typed, see `INPUTS`.
        submit_value: Whether a submit button brings its value, see `Settings.submit_value`.
        empty_fields: Which fields that were left empty a form names, see `Settings.empty_fields`.

    Raises:
        ValueError: no such component, or it cannot be used like this.
    """
    component, form = _locate_component(card, at) if at else _find_component(card, wanted)
    if component.get("disabled"):
        raise ValueError(f"{_get_label(component)!r} is disabled")
    tag = component["tag"]
    action: Node = {"tag": tag}
    value = _get_callback_value(component)
    if value is not None and (submit_value or not _submits(component)):
        action["value"] = value
    if component.get("name"):
        action["name"] = component["name"]
    if _submits(component):
        if form is None:
            raise ValueError(f"{_get_label(component)!r} submits a form, and stands in none")
        action["form_value"] = _make_form_value(form, inputs, empty_fields)
    elif tag in ANSWERS:
        action[ANSWERS[tag]] = _answer(component, inputs)
    if tag in PICKERS or _submits(component) or inputs.get("timezone"):
        action["timezone"] = inputs.get("timezone") or TIMEZONE
    return action


def has_unnamed_fields(card: Node) -> bool:
    """Return whether a form of a card has a field without a name, which fails at the click (200530)."""
    return any(
        form is not None and node.get("tag") in FILLED_IN and not node.get("name")
        for node, form in _walk(card)
    )


def _walk(value: Any, form: Node | None = None) -> Iterator[tuple[Node, Node | None]]:
    """Go through all components, each with the form that contains it."""
    if isinstance(value, dict):
        if value.get("tag") == "form":
            form = value
        yield value, form
        for member in value.values():
            yield from _walk(member, form)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, form)


def _find_component(card: Node, wanted: str) -> tuple[Node, Node | None]:
    v2 = card.get("schema") == "2.0"
    usable = [(node, form) for node, form in _walk(card) if _calls_back(node, form, v2=v2)]
    chosen = [
        (node, form)
        for node, form in usable
        if not wanted or wanted in (node.get("name"), node.get("element_id"), _get_label(node))
    ]
    if len(chosen) == 1:
        return chosen[0]
    labels = ", ".join(repr(_get_label(node)) for node, _ in usable) or "none"
    which = f"{wanted!r} names {len(chosen)} of them" if wanted else "say which"
    raise ValueError(f"components that call back: {labels}; {which}")


def _locate_component(card: Node, place: str) -> tuple[Node, Node | None]:
    """Return the component at a place of a card, and the form that contains it."""
    node: Any = card
    for step in place.split("."):
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isascii() and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            node = None
    v2 = card.get("schema") == "2.0"
    for known, form in _walk(card):
        if known is node and _calls_back(known, form, v2=v2):
            return known, form
    raise ValueError(f"no component that calls back is at {place!r} of the card")


def _calls_back(node: Node, form: Node | None, *, v2: bool) -> bool:
    """Return whether using a component tells the app: inside a form only what submits it does."""
    tag = node.get("tag")
    if tag not in PRESSED and tag not in ANSWERS:
        return False
    if _submits(node):
        return True
    if node.get("form_action_type") or node.get("action_type") == "form_reset":
        return False
    if "behaviors" in node:
        return _find_callback(node) is not None
    if form is not None and tag in ANSWERS:
        return False
    if v2:
        return tag not in SILENT and not node.get("url")
    return tag in ANSWERS or "value" in node  # a button without a value opens a link, or does nothing


def _submits(node: Node) -> bool:
    return node.get("form_action_type") == "submit" or node.get("action_type") == "form_submit"


def _find_callback(node: Node) -> Node | None:
    behaviors = node.get("behaviors")
    for behavior in behaviors if isinstance(behaviors, list) else ():
        if isinstance(behavior, dict) and behavior.get("type") == "callback":
            return behavior
    return None


def _get_callback_value(node: Node) -> Any:
    behavior = _find_callback(node)
    return node.get("value") if behavior is None else behavior.get("value")


def _get_label(node: Node) -> str:
    text = node.get("text")
    label = text.get("content") if isinstance(text, dict) else None
    return str(label or node.get("name") or node.get("element_id") or node.get("tag"))


def _answer(node: Node, inputs: dict[str, Any]) -> Any:
    member = ANSWERS[node["tag"]]
    if member not in inputs:
        raise ValueError(f"using {_get_label(node)!r} ({node['tag']}) needs {member!r}")
    answer = inputs[member]
    choices = {str(option.get("value")) for option in node.get("options") or () if isinstance(option, dict)}
    if choices and member in ("option", "options"):
        for choice in answer if isinstance(answer, list) else [answer]:
            if choice not in choices:
                raise ValueError(f"{_get_label(node)!r} has no option {choice!r}; it has {sorted(choices)}")
    return answer


def _make_form_value(form: Node, inputs: dict[str, Any], empty_fields: str) -> Node:
    filled = inputs.get("form_value") or {}
    fields = {
        node["name"]: node for node, _ in _walk(form) if node.get("tag") in ANSWERS and node.get("name")
    }
    for name in filled:
        if name not in fields:
            raise ValueError(f"the form has no field {name!r}; it has {', '.join(fields) or 'none'}")
    for name, node in fields.items():
        if node.get("required") and filled.get(name) in (None, "", []):
            raise ValueError(f"the field {name!r} is required")
        if name in filled:
            _answer(node, {ANSWERS[node["tag"]]: filled[name]})
    empty = {
        name: ""
        for name, node in fields.items()
        if empty_fields == "all" or (empty_fields == "inputs" and node["tag"] == "input")
    }
    return {**empty, **filled}
