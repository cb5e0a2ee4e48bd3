"""Questions and their ends as JSON, for the rows that record them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from lark_provider.protocol.hitl.model import Assignee, End, HitlQuestion, TaskInstance
from lark_provider.support.members import select_members


def dump_question(question: HitlQuestion) -> str:
    """Write a question as JSON."""
    return orjson.dumps(asdict(question), option=orjson.OPT_NON_STR_KEYS).decode()


def load_question(text: str) -> HitlQuestion:
    """Read what `dump_question` wrote; members that a newer version added are left out.

    Raises:
        ValueError: It is damaged.
    """
    members = _parse_members(text, HitlQuestion)
    try:
        defaults = members.get("defaults")
        return HitlQuestion(
            **members
            | {
                "task": TaskInstance(**select_members(members["task"], TaskInstance)),
                "options": tuple(members.get("options", ())),
                "defaults": None if defaults is None else tuple(defaults),
                "assignees": tuple(
                    Assignee(**select_members(assignee, Assignee))
                    for assignee in members.get("assignees", ())
                ),
                "deadline": _parse_moment(members.get("deadline")),
                "owners": tuple(members.get("owners", ())),
                "tags": tuple(members.get("tags", ())),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The recorded question is incomplete: {error!r}.") from None


def dump_end(end: End) -> str:
    """Write how a question ended as JSON."""
    return orjson.dumps(asdict(end), option=orjson.OPT_NON_STR_KEYS).decode()


def load_end(text: str) -> End:
    """Read what `dump_end` wrote; members that a newer version added are left out.

    Raises:
        ValueError: It is damaged.
    """
    members = _parse_members(text, End)
    try:
        return End(
            **members | {"options": tuple(members.get("options", ())), "at": _parse_moment(members.get("at"))}
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"The recorded end of the question is incomplete: {error!r}.") from None


def _parse_members(text: str, kind: type[Any]) -> dict[str, Any]:
    record = orjson.loads(text)
    if not isinstance(record, dict):
        raise ValueError(f"The record is not a JSON object but of type {type(record).__name__}.")  # noqa: TRY004 - as other damage
    return select_members(record, kind)


def _parse_moment(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
