"""The default notifications: a card (JSON 2.0) or plain lines, from facts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lark_provider.notifications.excerpt import clip, escape, fence, link, shorten, untagged
from lark_provider.notifications.facts import Facts
from lark_provider.notifications.incident import Failure, Incident
from lark_provider.notifications.texts import Language, reason, say

# Lark takes 30 KB; what marks a redirected message, and mentions, come on top.
MAX_BYTES = 28 * 1024
_TRACEBACK_CHARS = 4_000  # more is for the log
_MOST_LISTED = 20
_COLOURS = {
    "failure": "red",
    "dag_failure": "red",
    "retry": "orange",
    "deadline": "orange",
    "notice": "blue",
    "partly": "yellow",
}


def card(facts: Facts, language: Language, incident: Incident | None = None) -> dict[str, Any]:
    """The card of an event.

    Args:
        facts: What happened.
        language: `zh` or `en`.
        incident: What went wrong in this run so far, if that is to be shown.

    Returns:
        Card JSON 2.0, at most 28 KB when it is encoded: a longer traceback keeps its head and its tail.
    """
    limit = _TRACEBACK_CHARS
    while True:
        made = _card(facts, language, incident, limit)
        if len(json.dumps(made, ensure_ascii=False).encode(errors="replace")) <= MAX_BYTES or limit < 50:  # noqa: PLR2004 - nothing is left to cut
            return made
        limit //= 2


def lines(facts: Facts, language: Language) -> str:
    """The same in plain lines, for texts and posts."""
    rows = [f"{say(language, name)}: {untagged(value)}" for name, value in _rows(facts, language, None)]
    links = [f"{say(language, name)}: {url}" for name, url in _links(facts)]
    return "\n".join([title(facts, language), *rows, *links])


def title(facts: Facts, language: Language, incident: Incident | None = None) -> str:
    """What happened and where, in one line."""
    where = ".".join(filter(None, (facts.dag_id, facts.task_id if facts.of_task else "")))
    if incident is not None and len(incident.failures) > 1:
        where = facts.dag_id
    return f"{say(language, _kind(facts, incident))} · {clip(where, 200)}"


def _kind(facts: Facts, incident: Incident | None) -> str:
    if incident is None:
        return facts.event
    if incident.over:
        return "recovered"
    if incident.run_failed:
        return "dag_failure"
    return "partly" if facts.event == "success" else facts.event


def _card(facts: Facts, language: Language, incident: Incident | None, limit: int) -> dict[str, Any]:
    kind, heading = _kind(facts, incident), title(facts, language, incident)
    rows = [f"**{say(language, name)}** {escape(value)}" for name, value in _rows(facts, language, incident)]
    parts = ["\n".join(rows)]
    if incident is not None and (len(incident.failures) > 1 or facts.event not in {"failure", "retry"}):
        parts.append(_failed(incident, language))
    if facts.traceback and facts.event in {"failure", "retry", "notice"}:
        parts.append(fence(shorten(facts.traceback, limit, say(language, "left_out"))))
    parts.append(" · ".join(link(say(language, name), url) for name, url in _links(facts)))
    header: dict[str, Any] = {
        "title": {"tag": "plain_text", "content": heading},
        "template": _COLOURS.get(kind, "green"),
    }
    if incident is not None and incident.count > 1:
        count = {"tag": "plain_text", "content": say(language, "times", count=incident.count)}
        colour = "green" if incident.over else "red"
        header["text_tag_list"] = [{"tag": "text_tag", "text": count, "color": colour}]
    return {
        "schema": "2.0",
        "config": {"summary": {"content": heading}},
        "header": header,
        "body": {"elements": [{"tag": "markdown", "content": part} for part in parts if part]},
    }


def _rows(facts: Facts, language: Language, incident: Incident | None) -> list[tuple[str, str]]:
    last = "task" if facts.of_task else "last_task"
    # A DAG's event names its last task only where no list of failed tasks does better.
    task = facts.label if facts.of_task or (facts.event == "dag_failure" and not incident) else ""
    error = ": ".join(filter(None, (facts.error_type, clip(facts.error, 500))))
    rows = [
        ("dag", facts.dag_id),
        (last, task),
        ("run", facts.run_id),
        ("owner", ", ".join(facts.owners)),
        ("try", _tries(facts, language) if facts.of_task else ""),
        ("state", facts.state if facts.event == "notice" else ""),
        ("reason", reason(language, facts.reason) if facts.event == "dag_failure" else ""),
        ("due", facts.deadline),
        ("error", error),
    ]
    return [(name, clip(value, 600)) for name, value in rows if value]


def _tries(facts: Facts, language: Language) -> str:
    if not facts.try_number:
        return ""
    key = "try_plain" if facts.tries is None else "try_of"
    return say(language, key, number=facts.try_number, of=facts.tries)


def _links(facts: Facts) -> Sequence[tuple[str, str]]:
    log = facts.log_url if facts.of_task or facts.event == "dag_failure" else ""
    return [(name, url) for name, url in (("log", log), ("open_run", facts.run_url)) if url]


def _failed(incident: Incident, language: Language) -> str:
    ranked = sorted(incident.failures, key=lambda one: one.mended)
    shown = [_failure(one, language) for one in ranked[:_MOST_LISTED]]
    if rest := len(ranked) - len(shown):
        shown.append(say(language, "more", count=rest))
    return "\n".join([f"**{say(language, 'failed_tasks')}** ({len(ranked)})", *shown] if shown else [])


def _failure(one: Failure, language: Language) -> str:
    name = escape(clip(one.label, 120))
    text = f"✅ ~~{name}~~" if one.mended else f"❌ {name}"
    if one.try_number > 1:
        text += f" ({say(language, 'try')} {say(language, 'try_plain', number=one.try_number)})"
    if one.error and not one.mended:
        text += f" {escape(clip(one.error, 160))}"
    # A link is kept only if it leaves room for the others.
    return f"{text} {link(say(language, 'log'), one.log_url)}" if 0 < len(one.log_url) < 600 else text  # noqa: PLR2004 - said above
