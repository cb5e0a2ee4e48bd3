"""Who may do what in a group: the words that each setting knows, the first one being the default."""

from __future__ import annotations

from typing import Any

from lark_emulator.validation import read_choice

_OWNER_OR_ALL = ("all_members", "only_owner")
_NOTICES = ("all_members", "only_owner", "not_anyone")
SETTINGS: dict[str, tuple[str, ...]] = {
    "add_member_permission": _OWNER_OR_ALL,
    "share_card_permission": ("allowed", "not_allowed"),
    "at_all_permission": _OWNER_OR_ALL,
    "edit_permission": _OWNER_OR_ALL,
    "join_message_visibility": _NOTICES,
    "leave_message_visibility": _NOTICES,
    "membership_approval": ("no_approval_required", "approval_required"),
    "moderation_permission": ("all_members", "only_owner", "moderator_list"),
    "urgent_setting": _OWNER_OR_ALL,
    "video_conference_setting": _OWNER_OR_ALL,
    "hide_member_count_setting": _OWNER_OR_ALL,
    "pin_manage_setting": _OWNER_OR_ALL,
}


def read_settings(body: dict[str, Any]) -> dict[str, str]:
    """Return the settings that a request names.

    Raises:
        RefusedError: 99992402, a word that a setting does not know.
    """
    return {name: read_choice(body, name, options) for name, options in SETTINGS.items() if body.get(name)}
