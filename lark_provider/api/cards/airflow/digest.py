"""The card of a digest: what the DAGs of a route did in a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lark_provider.api.cards.airflow.markup import escape, render_link
from lark_provider.api.cards.airflow.texts import make_translator
from lark_provider.protocol.language import Language
from lark_provider.protocol.moments import format_moment
from lark_provider.support.text import clip

_MAX_LISTED = 10
_MAX_NAME_CHARS = 120
_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("每日汇总 · {name}", "Digest · {name}"),
    "period": ("{begin} 至 {end}", "{begin} to {end}"),
    "counts": (
        "结束的运行 **{runs}** 次，失败 **{failed}** 次",
        "**{runs}** runs ended, **{failed}** failed",
    ),
    "failed": ("失败的运行", "Failed runs"),
    "slowest": ("最慢的运行", "Slowest runs"),
    "broken": ("仍未恢复", "Still broken"),
    "more": ("…… 另有 {count} 个", "… and {count} more"),
}
translate = make_translator(_TEXTS)


@dataclass(frozen=True, slots=True)
class SlowRun:
    """A run that took long.

    Attributes:
        dag_id: The DAG's id.
        run_id: The id of the DAG run.
        seconds: How long the run took, in seconds.
        url: The address of the run's page in Airflow.
    """

    dag_id: str
    run_id: str
    seconds: float
    url: str


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest says.

    Attributes:
        name: The name of the route.
        begin: The beginning of the period.
        end: The end of the period, exclusive.
        timezone: The IANA name of the time zone in which times are shown.
        runs: How many runs ended in the period.
        failed: How many runs failed, as pairs of DAG id and count, the highest count first.
        slowest: The runs that took longest, slowest first.
        broken: The ids of DAGs whose last run failed, or with failures that have not recovered.
    """

    name: str
    begin: datetime
    end: datetime
    timezone: str
    runs: int = 0
    failed: Sequence[tuple[str, int]] = ()
    slowest: Sequence[SlowRun] = ()
    broken: Sequence[str] = ()


def make_card(digest: Digest, language: Language) -> dict[str, Any]:
    """Return the card of a digest.

    Args:
        digest: The content of the digest.
        language: `zh` or `en`.

    Returns:
        Card JSON 2.0, of some kilobytes at most.
    """
    failed = sum(count for _, count in digest.failed)
    title = translate(language, "title", name=clip(digest.name, 200))
    begin, end = format_moment(digest.begin, digest.timezone), format_moment(digest.end, digest.timezone)
    head = "\n".join(
        (
            escape(translate(language, "period", begin=begin, end=end)),
            translate(language, "counts", runs=digest.runs, failed=failed),
        )
    )
    counts = [f"❌ {_render_name(dag_id)}: {count}" for dag_id, count in digest.failed]
    slow = [
        f"🐢 {_render_name(run.dag_id)} {_format_duration(run.seconds)} "
        f"{render_link(clip(run.run_id, _MAX_NAME_CHARS), run.url)}"
        for run in digest.slowest
    ]
    broken = [f"🔴 {_render_name(dag_id)}" for dag_id in digest.broken]
    parts = [
        head,
        _format_list("failed", counts, language),
        _format_list("slowest", slow, language),
        _format_list("broken", broken, language),
    ]
    return {
        "schema": "2.0",
        "config": {"summary": {"content": title}},
        "header": {
            "title": {"tag": "plain_text", "content": title},
            "template": "red" if digest.broken else "orange" if failed else "green",
        },
        "body": {"elements": [{"tag": "markdown", "content": part} for part in parts if part]},
    }


def _render_name(dag_id: str) -> str:
    return escape(clip(dag_id, _MAX_NAME_CHARS))


def _format_list(heading: str, lines: Sequence[str], language: Language) -> str:
    if not lines:
        return ""
    rest = len(lines) - _MAX_LISTED
    more = [translate(language, "more", count=rest)] if rest > 0 else []
    return "\n".join([f"**{translate(language, heading)}**", *lines[:_MAX_LISTED], *more])


def _format_duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
    )
