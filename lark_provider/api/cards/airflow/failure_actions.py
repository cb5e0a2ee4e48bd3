"""Render the actions of a failure's card: what it offers, and what people have done from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lark_provider.api.cards.airflow.failure_texts import TEXTS, translate
from lark_provider.api.cards.airflow.limits import CardLimits
from lark_provider.api.cards.airflow.markup import escape
from lark_provider.api.cards.containers import Column, ColumnSet
from lark_provider.api.cards.element import Element
from lark_provider.api.cards.interactive import Button, SelectStatic
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.incidents.model import EscalationRecord, Incident
from lark_provider.protocol.language import Language
from lark_provider.protocol.moments import format_moment
from lark_provider.support.text import clip

_MARKS = {"failed": "⚠️", "unknown": "❓", "skipped": "⏭️"}
MUTE_HOURS = (1, 8, 24, 168)
_MAX_TASK_LENGTH = 40


def render_actions(incident: Incident, language: Language, limits: CardLimits) -> str:
    """Return who has claimed, retried or muted what, as Markdown; empty if nobody has.

    Args:
        incident: The incident.
        language: `zh` or `en`.
        limits: How much of it the card shows.
    """
    deeds = list(_iterate_lines(incident, language))
    shown = [clip(deed, limits.deed) for deed in deeds[: limits.deeds]]
    if rest := len(deeds) - len(shown):
        shown.append(translate(language, "more", count=rest))
    return "\n".join(map(escape, shown))


def _iterate_lines(incident: Incident, language: Language) -> Iterator[str]:
    zone = incident.timezone
    if (claim := incident.claim) is not None:
        yield f"🙋 {translate(language, 'claimed', name=claim.name, at=_format_time(claim.at, zone))}"
    for deed in incident.deeds:
        yield f"↩️ {_format_time(deed.at, zone)} {deed.text}"
    for urged in incident.urged:
        yield _format_urgent(urged, zone, language)
    for mute in incident.mutes:
        until = _format_time(mute.until, zone)
        yield f"🔇 {translate(language, 'muted', task=mute.task_id, name=mute.name, until=until)}"


def _format_urgent(urged: EscalationRecord, zone: str, language: Language) -> str:
    detail = urged.detail
    word = detail.partition(":")[0]
    if f"urged_{word}" in TEXTS:
        detail = translate(language, f"urged_{word}")
    how = translate(language, f"urged_{urged.urgent}")
    text = translate(language, f"urged_{urged.outcome}", how=how, name=urged.name or "?", detail=detail)
    return f"{_MARKS.get(urged.outcome, '🔔')} {_format_time(urged.at, zone)} {text}"


def render_buttons(
    incident: Incident, key: str, language: Language, limits: CardLimits
) -> dict[str, Any] | None:
    """Return the row of buttons; None if the card has none, as when all tasks have recovered.

    Args:
        incident: The incident.
        key: Its key, which each button carries.
        language: `zh` or `en`.
        limits: How many tasks the menu has.
    """
    if not incident.has_actions or incident.over:
        return None
    elements: list[Element] = []
    if any(failure.ti_id and not failure.recovered for failure in incident.failures):
        value = make_button_value(key, "retry")
        elements.append(Button(translate(language, "retry_now"), value=value, type="primary", name="retry"))
    if incident.claim is None:
        value = make_button_value(key, "claim")
        elements.append(Button(translate(language, "claim"), value=value, name="claim"))
    if options := _make_mute_options(incident, language, limits.muted):
        menu = SelectStatic(
            "mute", options, placeholder=translate(language, "mute"), value=make_button_value(key, "mute")
        )
        elements.append(menu)
    if not elements:
        return None
    row = ColumnSet([Column([element], width="auto") for element in elements], flex_mode="flow")
    # Converted to plain dicts and lists like the rest of the card, since `dataclasses.asdict` cannot copy
    # subclasses of them.
    plain_row: dict[str, Any] = json.loads(json.dumps(row))
    return plain_row


def _make_mute_options(incident: Incident, language: Language, limit: int) -> dict[str, str]:
    tasks = list(
        dict.fromkeys(
            failure.task_id for failure in incident.failures if failure.task_id and not failure.recovered
        )
    )
    return {
        f"{hours} {_shorten_id(task)}": (f"{clip(task, 60)} · " if len(tasks) > 1 else "")
        + translate(language, f"mute_{hours}")
        for task in tasks[:limit]
        for hours in MUTE_HOURS
    }


def read_mute(option: str | None, incident: Incident) -> tuple[str, int] | None:
    """Return the task and the hours that an option of the menu stands for.

    Args:
        option: As Lark sends it back.
        incident: The recorded incident, which must have the task.

    Returns:
        Task id and hours; None if the card never offered this.
    """
    hours, _, task = (option or "").partition(" ")
    known = {
        _shorten_id(failure.task_id): failure.task_id for failure in incident.failures if failure.task_id
    }
    return (
        (known[task], int(hours))
        if task in known and hours in {str(offered) for offered in MUTE_HOURS}
        else None
    )


def _shorten_id(task_id: str) -> str:
    """Return a task's id, or a digest of a long id, for an option: a card is limited to 30 KB."""
    if len(task_id) <= _MAX_TASK_LENGTH:
        return task_id
    return hashlib.sha256(task_id.encode(errors="surrogatepass")).hexdigest()[:_MAX_TASK_LENGTH]


def _format_time(at: str, timezone: str) -> str:
    moment = datetime.fromisoformat(at)
    return format_moment(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC), timezone)
