"""Questions and their ends as JSON, for the rows that record them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from lark_provider.protocol.hitl.model import Assignee, End, HitlQuestion, TaskInstance
from lark_provider.support.members import known_members


def dump_question(question: HitlQuestion) -> str:
    """Write a question as JSON."""
    return orjson.dumps(asdict(question), option=orjson.OPT_NON_STR_KEYS).decode()


def load_question(text: str) -> HitlQuestion:
    """Read what `dump_question` wrote; members that a newer version added are left out.

    Raises:
        ValueError: It is damaged.
    """
    given = _members(text, HitlQuestion)
    try:
        defaults = given.get("defaults")
        return HitlQuestion(
            **given
            | {
                "task": TaskInstance(**known_members(given["task"], TaskInstance)),
                "options": tuple(given.get("options", ())),
                "defaults": None if defaults is None else tuple(defaults),
                "assignees": tuple(
                    Assignee(**known_members(one, Assignee)) for one in given.get("assignees", ())
                ),
                "deadline": _moment(given.get("deadline")),
                "owners": tuple(given.get("owners", ())),
                "tags": tuple(given.get("tags", ())),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The recorded question must be complete, got {error!r}.") from None


def dump_end(end: End) -> str:
    """Write how a question ended as JSON."""
    return orjson.dumps(asdict(end), option=orjson.OPT_NON_STR_KEYS).decode()


def load_end(text: str) -> End:
    """Read what `dump_end` wrote; members that a newer version added are left out.

    Raises:
        ValueError: It is damaged.
    """
    given = _members(text, End)
    try:
        return End(**given | {"options": tuple(given.get("options", ())), "at": _moment(given.get("at"))})
    except (KeyError, TypeError) as error:
        raise ValueError(f"The recorded end of a question must be complete, got {error!r}.") from None


def _members(text: str, kind: type[Any]) -> dict[str, Any]:
    found = orjson.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"A record must be a JSON object, got {type(found).__name__}.")  # noqa: TRY004 - as other damage
    return known_members(found, kind)


def _moment(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
