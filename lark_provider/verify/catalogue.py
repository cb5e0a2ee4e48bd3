"""All probes, and what no probe can find out."""

from __future__ import annotations

from lark_provider.verify import access, bases, documents, messages, sheet_cells, worksheets
from lark_provider.verify.probe import Probe, Unprobed

PROBES: tuple[Probe, ...] = (
    *access.PROBES,
    *messages.PROBES,
    *bases.PROBES,
    *sheet_cells.PROBES,
    *worksheets.PROBES,
    *documents.PROBES,
)

_WAIT = "it takes an hour or more to see"
_CLICK = "a person has to click a card"
_SECOND_APP = "it takes a second app, or a document of another owner"
_LOAD = "it takes a load that would disturb others in the tenant"
_LINK = "it takes a long connection over minutes or hours, and events"
_LOGIN = "a person has to log in"
_TIMING = "it depends on two writes at the same moment, or on how late Lark performs one"

UNPROBED: tuple[Unprobed, ...] = (
    Unprobed(("uuid_window", "client_token_window", "recall_window"), _WAIT),
    Unprobed(("card_rules.lock", "empty_fields", "submit_value", "card_update_uses"), _CLICK),
    Unprobed(
        (
            *("sheet_denied", "never_shared_status", "folder_inheritance", "disabled_app_token"),
            *("docx_edit_qps", "card_entity_qps"),
        ),
        _SECOND_APP,
    ),
    Unprobed(
        ("receiver_qps", "update_qps", "connection_limit", "max_answer_bytes", "records_per_table"), _LOAD
    ),
    Unprobed(
        (
            *("pong_payload", "missed_pings", "connection_life", "gap_events", "card_frame_ack"),
            *("nack_repeats", "fragment_bytes", "refusal_data", "connect_when_off", "connection_limit_at"),
            "record_event_values",
        ),
        _LINK,
    ),
    Unprobed(("scopeless_authorization", "refresh_token_reuse", "user_info_bad_token"), _LOGIN),
    Unprobed(("client_token_waiting", "stale_after", "sheet_busy", "import_token"), _TIMING),
    Unprobed(
        ("approval_uuid_status", "approval_list_span", "approval_operate_time", "approval_events"),
        "an approval that is made cannot be deleted, and people are asked to decide it",
    ),
    Unprobed(("webhook_timestamps",), "a person has to add a custom bot to a chat"),
    Unprobed(("foreign_pages",), "this package sends no page token but to the list that it came from"),
)


def select_probes(names: tuple[str, ...]) -> tuple[Probe, ...]:
    """Return the probes with these names; a name such as `card_rules` stands for all that begin with it.

    Raises:
        KeyError: An unknown name.
    """
    for name in names:
        if not any(_matches(probe, name) for probe in PROBES):
            raise KeyError(name)
    return tuple(probe for probe in PROBES if not names or any(_matches(probe, name) for name in names))


def _matches(probe: Probe, name: str) -> bool:
    return probe.name == name or probe.name.startswith(f"{name}.")
