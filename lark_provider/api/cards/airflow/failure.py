"""The default notifications of an event: a card (JSON 2.0) or plain lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lark_provider.api.cards.airflow import failure_actions
from lark_provider.api.cards.airflow.failure_texts import translate, translate_reason
from lark_provider.api.cards.airflow.limits import MAX_BYTES, STEPS, CardLimits
from lark_provider.api.cards.airflow.markup import escape, fence, render_link, strip_tags
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Failure, Incident
from lark_provider.protocol.language import Language
from lark_provider.support.text import clip, escape_texts, shorten

_COLOURS = {
    "failure": "red",
    "dag_failure": "red",
    "retry": "orange",
    "deadline": "orange",
    "notice": "blue",
    "partly": "yellow",
}


def make_card(
    event: RunEvent,
    language: Language,
    incident: Incident | None = None,
    key: str | None = None,
    *,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Any]:
    """Return the card of an event.

    Args:
        event: The event that the card reports.
        language: `zh` or `en`.
        incident: The incident of the run, if the card shows it.
        key: The incident's key, which the buttons carry; None for no buttons.
        max_bytes: The most bytes of the encoded card; at least 16 KB, and 28 KB with an incident.

    Returns:
        Card JSON 2.0. What is too long for it is shortened: first the traceback, which keeps its head and its
        tail, then the errors in the list of failed tasks, then the list itself, then the rest.
    """
    for limits in STEPS:
        card_json = _make_card(event, language, incident, limits)
        if incident is not None and key is not None:
            _add_actions(card_json, incident, key, language, limits)
        card_json = escape_texts(card_json)
        if len(json.dumps(card_json, ensure_ascii=False).encode()) <= max_bytes:
            break
    return card_json


def format_lines(event: RunEvent, language: Language) -> str:
    """Return the event in plain lines, for texts and posts."""
    rows = [
        f"{translate(language, name)}: {strip_tags(value)}"
        for name, value in _list_rows(event, language, None)
    ]
    links = [f"{translate(language, name)}: {url}" for name, url in _list_links(event)]
    return "\n".join([format_title(event, language), *rows, *links])


def format_title(event: RunEvent, language: Language, incident: Incident | None = None) -> str:
    """Return what happened and where, in one line."""
    where = ".".join(filter(None, (event.dag_id, event.task_id if event.is_task_event else "")))
    if incident is not None and len(incident.failures) > 1:
        where = event.dag_id
    return f"{translate(language, _choose_kind(event, incident))} · {clip(where, 200)}"


def _choose_kind(event: RunEvent, incident: Incident | None) -> str:
    if incident is None:
        return event.kind
    if incident.over:
        return "recovered"
    if incident.run_failed:
        return "dag_failure"
    return "partly" if event.kind == "success" else event.kind


def _make_card(
    event: RunEvent, language: Language, incident: Incident | None, limits: CardLimits
) -> dict[str, Any]:
    kind, heading = _choose_kind(event, incident), format_title(event, language, incident)
    rows = [
        f"**{translate(language, name)}** {escape(clip(value, limits.value))}"
        for name, value in _list_rows(event, language, incident)
    ]
    parts = ["\n".join(rows)]
    if incident is not None and (len(incident.failures) > 1 or event.kind not in {"failure", "retry"}):
        parts.append(_render_failures(incident, language, limits))
    alone = event.kind == "dag_failure" and (incident is None or len(incident.failures) <= 1)
    if event.traceback and (alone or event.kind in {"failure", "retry", "notice"}):
        parts.append(fence(shorten(event.traceback, limits.traceback, translate(language, "left_out"))))
    links = [(name, url) for name, url in _list_links(event) if len(url) <= limits.url]
    parts.append(" · ".join(render_link(translate(language, name), url) for name, url in links))
    header: dict[str, Any] = {
        "title": {"tag": "plain_text", "content": heading},
        "template": _COLOURS.get(kind, "green"),
    }
    if incident is not None and incident.count > 1:
        count = {"tag": "plain_text", "content": translate(language, "times", count=incident.count)}
        colour = "green" if incident.over else "red"
        header["text_tag_list"] = [{"tag": "text_tag", "text": count, "color": colour}]
    return {
        "schema": "2.0",
        "config": {"summary": {"content": heading}},
        "header": header,
        "body": {"elements": [{"tag": "markdown", "content": part} for part in parts if part]},
    }


def _add_actions(
    card_json: dict[str, Any], incident: Incident, key: str, language: Language, limits: CardLimits
) -> None:
    """Add what was done from the card, and its buttons."""
    elements = card_json["body"]["elements"]
    if done := failure_actions.render_actions(incident, language, limits):
        elements.append({"tag": "markdown", "content": done})
    if (row := failure_actions.render_buttons(incident, key, language, limits)) is not None:
        elements.append(row)


def _list_rows(event: RunEvent, language: Language, incident: Incident | None) -> list[tuple[str, str]]:
    last = "task" if event.is_task_event else "last_task"
    listed = incident is not None and bool(incident.failures)
    # A DAG's event names its last task only if the card does not list the failed tasks.
    task = event.label if event.is_task_event or (event.kind == "dag_failure" and not listed) else ""
    error = ": ".join(filter(None, (event.error_type, clip(event.error, 500))))
    if event.kind == "dag_failure" and listed:
        error = ""  # the list of failed tasks shows it
    rows = [
        ("dag", event.dag_id),
        (last, task),
        ("run", event.run_id),
        ("owner", ", ".join(event.owners)),
        ("try", _format_tries(event, language) if event.is_task_event else ""),
        ("state", event.state if event.kind == "notice" else ""),
        ("reason", translate_reason(language, event.reason) if event.kind == "dag_failure" else ""),
        ("due", event.deadline),
        ("error", error),
    ]
    return [(name, clip(value, 600)) for name, value in rows if value]


def _format_tries(event: RunEvent, language: Language) -> str:
    if not event.try_number:
        return ""
    key = "try_plain" if event.tries is None else "try_of"
    return translate(language, key, number=event.try_number, of=event.tries)


def _list_links(event: RunEvent) -> Sequence[tuple[str, str]]:
    log = event.log_url if event.is_task_event or event.kind == "dag_failure" else ""
    links = (("answer", event.answer_url), ("log", log), ("open_run", event.run_url))
    return [(name, url) for name, url in links if url]


def _render_failures(incident: Incident, language: Language, limits: CardLimits) -> str:
    ranked = sorted(incident.failures, key=lambda failure: failure.recovered)
    shown = [_render_failure(failure, language, limits) for failure in ranked[: limits.listed]]
    if rest := incident.total - len(shown):
        shown.append(translate(language, "more", count=rest))
    return "\n".join(
        [f"**{translate(language, 'failed_tasks')}** ({incident.total})", *shown] if shown else []
    )


def _render_failure(failure: Failure, language: Language, limits: CardLimits) -> str:
    name = escape(clip(failure.label, 120))
    text = f"✅ ~~{name}~~" if failure.recovered else f"❌ {name}"
    if failure.try_number > 1:
        text += (
            f" ({translate(language, 'try')} {translate(language, 'try_plain', number=failure.try_number)})"
        )
    if failure.error and not failure.recovered:
        text += f" {escape(clip(failure.error, limits.error))}"
    if not 0 < len(failure.log_url) < limits.list_url:
        return text
    return f"{text} {render_link(translate(language, 'log'), failure.log_url)}"
