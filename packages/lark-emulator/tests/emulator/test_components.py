from __future__ import annotations

from typing import Any

import pytest
from lark_emulator.callbacks.components import make_action

V2 = {
    "schema": "2.0",
    "body": {
        "elements": [
            {
                "tag": "column_set",
                "columns": [
                    {
                        "tag": "column",
                        "elements": [
                            {
                                "tag": "button",
                                "name": "yes",
                                "element_id": "yes_1",
                                "text": {"tag": "plain_text", "content": "Approve"},
                                "behaviors": [{"type": "callback", "value": {"go": True}}],
                            }
                        ],
                    }
                ],
            },
            {
                "tag": "button",
                "text": {"tag": "plain_text", "content": "Docs"},
                "behaviors": [{"type": "open_url", "default_url": "https://example.com"}],
            },
            {
                "tag": "button",
                "text": {"tag": "plain_text", "content": "Plain"},
                "behaviors": [{"type": "callback", "value": "just text"}],
            },
            {
                "tag": "button",
                "text": {"tag": "plain_text", "content": "Off"},
                "disabled": True,
                "behaviors": [{"type": "callback", "value": {}}],
            },
            {
                "tag": "select_static",
                "name": "pick",
                "options": [{"value": "a"}, {"value": "b"}],
                "behaviors": [{"type": "callback", "value": {"k": 1}}],
            },
            {"tag": "date_picker", "name": "day", "behaviors": [{"type": "callback"}]},
            {"tag": "checker", "name": "tick", "behaviors": [{"type": "callback"}]},
            {
                "tag": "form",
                "name": "f",
                "elements": [
                    {"tag": "input", "name": "reason", "required": True},
                    {
                        "tag": "multi_select_static",
                        "name": "who",
                        "options": [{"value": "x"}, {"value": "y"}],
                    },
                    {
                        "tag": "button",
                        "name": "send",
                        "form_action_type": "submit",
                        "text": {"tag": "plain_text", "content": "Send"},
                        "behaviors": [{"type": "callback", "value": {"form": "f"}}],
                    },
                ],
            },
        ]
    },
}
V1 = {
    "elements": [
        {
            "tag": "action",
            "actions": [
                {
                    "tag": "button",
                    "text": {"tag": "plain_text", "content": "Yes"},
                    "value": {"answer": "yes"},
                },
                {
                    "tag": "button",
                    "text": {"tag": "plain_text", "content": "Docs"},
                    "url": "https://example.com",
                },
                {"tag": "overflow", "options": [{"value": "1"}, {"value": "2"}], "value": {"k": "v"}},
            ],
        }
    ]
}


@pytest.mark.parametrize("wanted", ["yes", "yes_1", "Approve"])
def test_a_button_by_name_id_or_label(wanted: str) -> None:
    assert make_action(V2, wanted, {}) == {"tag": "button", "value": {"go": True}, "name": "yes"}


@pytest.mark.parametrize(
    ("card", "wanted", "inputs", "action"),
    [
        (V2, "Plain", {}, {"tag": "button", "value": "just text"}),
        (
            V2,
            "pick",
            {"option": "b"},
            {"tag": "select_static", "value": {"k": 1}, "name": "pick", "option": "b"},
        ),
        (
            V2,
            "day",
            {"option": "2026-04-01 +0800"},
            {
                "tag": "date_picker",
                "name": "day",
                "option": "2026-04-01 +0800",
                "timezone": "Asia/Shanghai",
            },
        ),
        (
            V2,
            "day",
            {"option": "2026-04-01 +0000", "timezone": "UTC"},
            {"tag": "date_picker", "name": "day", "option": "2026-04-01 +0000", "timezone": "UTC"},
        ),
        (V2, "tick", {"checked": True}, {"tag": "checker", "name": "tick", "checked": True}),
        (
            V2,
            "Send",
            {"form_value": {"reason": "late", "who": ["x"]}},
            {
                "tag": "button",
                "name": "send",
                "value": {"form": "f"},
                "form_value": {"reason": "late", "who": ["x"]},
                "timezone": "Asia/Shanghai",
            },
        ),
        (V1, "Yes", {}, {"tag": "button", "value": {"answer": "yes"}}),
        (V1, "overflow", {"option": "2"}, {"tag": "overflow", "value": {"k": "v"}, "option": "2"}),
    ],
)
def test_what_the_app_is_told(card: Any, wanted: str, inputs: Any, action: Any) -> None:
    assert make_action(card, wanted, inputs) == action


def test_the_only_component_needs_no_name() -> None:
    card = {"schema": "2.0", "body": V2["body"]["elements"][0]}  # type: ignore[index]
    assert make_action(card, "", {})["name"] == "yes"


@pytest.mark.parametrize(
    ("card", "wanted", "inputs", "text"),
    [
        (V2, "", {}, "say which"),
        (V2, "Nope", {}, "'Approve', 'Plain'"),
        (V2, "Docs", {}, "names 0"),
        (V1, "Docs", {}, "names 0"),
        (V2, "reason", {"input_value": "x"}, "names 0"),
        ({"elements": []}, "", {}, "none"),
        (V2, "Off", {}, "disabled"),
        (V2, "pick", {}, "needs 'option'"),
        (V2, "pick", {"option": "c"}, "no option 'c'"),
        (V2, "Send", {}, "'reason' is required"),
        (V2, "Send", {"form_value": {"reason": "x", "why": "y"}}, "no field 'why'"),
        (V2, "Send", {"form_value": {"reason": "x", "who": ["z"]}}, "no option 'z'"),
    ],
)
def test_what_cannot_be_used(card: Any, wanted: str, inputs: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_action(card, wanted, inputs)


def test_a_submit_outside_a_form() -> None:
    card = {"elements": [{"tag": "button", "name": "s", "form_action_type": "submit"}]}
    with pytest.raises(ValueError, match="stands in none"):
        make_action(card, "s", {})


def test_in_2_0_most_components_call_back_without_behaviors() -> None:
    elements: list[Any] = [
        {"tag": "button", "name": "b", "value": {"k": 1}},
        {"tag": "select_static", "name": "s"},
        {"tag": "button", "name": "link", "url": "https://a.example"},
        {"tag": "checker", "name": "c"},
        {"tag": "interactive_container", "element_id": "i"},
        {
            "tag": "form",
            "name": "f",
            "elements": [{"tag": "button", "name": "r", "form_action_type": "reset"}],
        },
    ]
    card = {"schema": "2.0", "body": {"elements": elements}}
    assert make_action(card, "b", {}) == {"tag": "button", "name": "b", "value": {"k": 1}}
    assert make_action(card, "s", {"option": "1"}) == {"tag": "select_static", "name": "s", "option": "1"}
    for wanted in ("link", "c", "i", "r"):
        with pytest.raises(ValueError, match="names 0"):
            make_action(card, wanted, {"checked": True})


def test_the_value_of_a_submit_button_may_be_left_out() -> None:
    submitted = {"form_value": {"reason": "late"}}
    assert "value" in make_action(V2, "Send", submitted)
    assert "value" not in make_action(V2, "Send", submitted, submit_value=False)
    assert "value" in make_action(V2, "yes", {}, submit_value=False)
