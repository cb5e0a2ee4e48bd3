"""Settings of urgent messages and card entities; the others are in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

from lark_emulator.access_settings import AccessSettings


@dataclass(slots=True)
class MessageSettings(AccessSettings):
    """The settings of urgent messages and of card entities."""

    urgent_sms_quota: int = 1000
    """How many people can be texted; beyond it 230024."""
    urgent_phone_quota: int = 1000
    """How many people can be called; beyond it 230024."""
    urgent_unread_limit: int = 200
    """With so many unread urgent messages a person gets no more: 230023."""
    card_entity_qps: int = 10
    """Changes per second of one card entity, streamed text apart; beyond it 99991400. 0 = no limit."""
