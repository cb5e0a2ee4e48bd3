"""Settings of native approvals; the others are in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

from lark_emulator.message_settings import MessageSettings

#: Settings whose value is one of a few words. The first is the default.
APPROVAL_CHOICES: dict[str, tuple[str, ...]] = {
    "approval_uuid_status": ("400", "200"),
    "approval_list_span": ("unchecked", "refused"),
    "approval_operate_time": ("documented", "numbers"),
    "approval_events": ("ordered", "reversed", "lost"),
}


@dataclass(slots=True)
class ApprovalSettings(MessageSettings):
    """The settings of native approvals."""

    approval_uuid_status: str = "400"
    """HTTP status of 60012, which a used `uuid` gets. Unconfirmed."""
    approval_list_span: str = "unchecked"
    """A list of instances over more than 10 hours: answered, or refused with 1390001. Unconfirmed."""
    approval_query_lag_s: float = 0.0
    """For how many seconds `instances/query` does not show a change."""
    approval_operate_time: str = "documented"
    """`operate_time` of events: a string, but a number for REVERTED; or always a number, as an older page
    says."""
    approval_events: str = "ordered"
    """How events of an instance come: one after the other, each once the one before was acknowledged; those
    of one change in reverse and without waiting; or not at all."""
    approval_event_copies: int = 1
    """How often each event of an approval arrives."""
    approval_event_delay_s: float = 0.0
    """Seconds (of the emulator's clock) between a change and its first event."""
