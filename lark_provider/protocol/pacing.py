"""The documented rate limits of the endpoints in use, and how far below them requests are kept.

A request that exceeds a limit makes every caller back off, while spreading requests out loses no time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

SHARE = 0.8
"""The share of a limit that is used by default."""
_RESERVE = 0.1
"""The share of a limit that may be used in a burst after a pause; together with `SHARE` it stays below 1."""
_BLOCK_SECONDS = 0.25
"""The most seconds of requests in one reservation; few, so that several processes share a limit evenly."""
MAX_SECONDS_AHEAD = 600.0
"""How far ahead a time is reserved in a database; a request that has to wait longer asks again meanwhile.

A row that is further ahead was written by a clock that has been set back since, as after a start with a wrong
time or a failover to another server; it counts as long past."""


class Rate(NamedTuple):
    """A rate limit as Lark documents it: a number of requests in a number of seconds."""

    requests: int
    seconds: float


class Limit(NamedTuple):
    """A limit that a request counts against.

    Attributes:
        key: The name of the limit, within the app.
        interval: Seconds from one request to the next.
        burst: How many seconds earlier than that requests may be sent after a pause.
        block: The largest number of requests in one reservation.
    """

    key: str
    interval: float
    burst: float
    block: int

    @classmethod
    def of(cls, key: str, rate: Rate, share: float = SHARE) -> Limit:
        """Return the limit that keeps requests below a documented one.

        Args:
            key: The name of the limit, within the app.
            rate: The limit, as Lark documents it.
            share: The share of the limit that is used, such as 0.8.
        """
        interval = rate.seconds / (rate.requests * share)
        ahead = max(0, int(rate.requests * _RESERVE) - 1)
        return cls(
            f"{key} {rate.seconds:g}", interval, ahead * interval, max(1, int(_BLOCK_SECONDS / interval))
        )


MESSAGES_TO_ONE = Rate(5, 1)
"""The limit of messages to one person or group; that of a group is shared by all of its bots."""
_MESSAGES = (Rate(50, 1), Rate(1000, 60))
_READS, _CHANGES, _RECORDS = (Rate(20, 1),), (Rate(10, 1),), (Rate(50, 1),)
_SLOW, _MINUTE = (Rate(20, 60),), (Rate(100, 60),)
_SHEET = r"/open-apis/sheets/v3/spreadsheets/[^/]+/sheets/[^/]+"
_TABLE = r"/open-apis/bitable/v1/apps/[^/]+/tables/[^/]+"
_RULES: Mapping[str, tuple[tuple[str, tuple[Rate, ...]], ...]] = {
    "bitable": (
        (rf"POST ({_TABLE}/records/(?:search|batch_get))", _READS),
        (rf"GET ({_TABLE}/(?:records|views)/)\w+", _READS),
        (rf"GET ({_TABLE}/(?:records|fields|views))", _READS),
        (rf"\w+ ({_TABLE}/records/?)(?:rec\w+)?", _RECORDS),
        (rf"POST ({_TABLE}/records/batch_(?:create|update|delete))", _RECORDS),
        (rf"\w+ ({_TABLE}/(?:fields|views)/?)\w*", _CHANGES),
        (r"POST (/open-apis/bitable/v1/apps)(?:(/)[^/]+(/copy))?", (Rate(20, 60),)),
        (r"GET (/open-apis/bitable/v1/apps/)[^/]+(/tables)?", _READS),
        (r"\w+ (/open-apis/bitable/v1/apps/)[^/]+(/tables)?.*", _CHANGES),
    ),
    "sheets": (
        (r"\w+ (/open-apis/sheets/v2/spreadsheets/)[^/]+(/\w+).*", (Rate(100, 1),)),
        (r"POST (/open-apis/sheets/v3/spreadsheets)", _SLOW),
        (r"PATCH (/open-apis/sheets/v3/spreadsheets/)[^/]+", _SLOW),
        (rf"POST ({_SHEET}/replace)", _SLOW),
        (rf"(?:POST|PUT) ({_SHEET}/filter)", _SLOW),
        (r"GET (/open-apis/sheets/v3/spreadsheets/)[^/]+(/sheets/query)?", _MINUTE),
        (r"\w+ (/open-apis/sheets/v3/spreadsheets/)[^/]+(/sheets/)[^/]+(/\w+)?.*", _MINUTE),
    ),
    "drive": (
        (r"GET (/open-apis/drive/v\d/permissions/)[^/]+(/members)", (Rate(1000, 60),)),
        (r"\w+ (/open-apis/drive/v\d/permissions/)[^/]+(/members/?)[^/]*", _MINUTE),
        (r"\w+ (/open-apis/drive/v\d/permissions/)[^/]+(/\w+)(/[a-z_]+)?.*", _MINUTE),
        (r"GET (/open-apis/drive/v1/files)", _READS),
        (r"GET (/open-apis/drive/v1/files/task_check)", _MINUTE),
        (r"GET (/open-apis/drive/explorer/v2/root_folder/meta)", _MINUTE),
        (r"\w+ (/open-apis/drive/v1/medias/)(?:[^/]+(/download)|(\w+))", (Rate(5, 1),)),
        (r"GET (/open-apis/drive/v1/import_tasks/)[^/]+", _MESSAGES),
        (r"POST (/open-apis/drive/v1/(?:im|ex)port_tasks)", _MINUTE),
        (r"GET (/open-apis/drive/v1/export_tasks/)(file/)?[^/]+(?:/download)?", _MINUTE),
        (r"POST (/open-apis/drive/v1/files/)[^/]+(/subscribe)", (Rate(50, 1), Rate(1000, 60))),
        (r"\w+ (/open-apis/drive/v1/files/)[^/]+(/(?:get|delete)_subscribe)", (Rate(10, 60),)),
        (r"\w+ (/open-apis/drive/v1/(?:files/create_folder|metas/batch_query))", (Rate(5, 1),)),
        (r"POST (/open-apis/drive/v1/files/)[^/]+(/move)", _SLOW),
        (r"\w+ (/open-apis/drive/v1/files/)[^/]+(/[a-z_]+)?", (Rate(5, 1),)),
    ),
    "wiki": (
        (r"POST (/open-apis/wiki/v2/spaces)", (Rate(10, 60),)),
        (r"GET (/open-apis/wiki/v2/tasks/)[^/]+", _MINUTE),
        (r"\w+ (/open-apis/wiki/v2/)spaces.*", _MINUTE),
    ),
    "docx": (
        (r"GET (/open-apis/docx/v1/documents/)[^/]+(/\w+)?.*", (Rate(5, 1),)),
        (r"POST (/open-apis/docx/v1/documents)", (Rate(3, 1),)),
        (r"PATCH (/open-apis/docx/v1/documents/)[^/]+(/blocks/batch_update)", (Rate(3, 1),)),
        (r"\w+ (/open-apis/docx/v1/documents/)[^/]+(/blocks/)[^/]+(/[a-z_/]+)?", (Rate(3, 1),)),
    ),
    "calendar": (
        (r"\w+ (/open-apis/calendar/v4/calendars/)[^/]+(/events/)(instance_view|search)", _MESSAGES),
        (r"\w+ (/open-apis/calendar/v4/calendars/)[^/]+(/events/)[^/]+(/[a-z_/]+)?.*", _MESSAGES),
        (r"\w+ (/open-apis/calendar/v4/\w+)(?:(/)[^/]+(/[a-z_]+)?.*)?", _MESSAGES),
    ),
    "task": (
        (r"(?:POST|PATCH) (/open-apis/task/v2/tasks)(?:/[^/]+)?", _CHANGES),
        (r"\w+ (/open-apis/task/v2/\w+).*", _MESSAGES),
    ),
    "minutes": ((r"GET (/open-apis/minutes/v1/minutes/)[^/]+", (Rate(5, 1),)),),
    "cardkit": (
        (r"\w+ (/open-apis/cardkit/v1/cards)(?:(/)[^/]+(/[a-z_]+)?(?:(/)[^/]+(/content)?)?)?", _MESSAGES),
    ),
    "interactive": ((r"POST (/open-apis/interactive/v1/card/update)", _MESSAGES),),
    "message": ((r"POST (/open-apis/message/v4/batch_send/?)", _MESSAGES),),
    "tenant": ((r"GET (/open-apis/tenant/v2/tenant/query)", _MESSAGES),),
    "application": ((r"GET (/open-apis/application/v6/applications/)[^/]+", _RECORDS),),
    "mail": ((r"POST (/open-apis/mail/v1/users/query)", _RECORDS),),
    "approval": (
        (
            r"\w+ (/open-apis/approval/v4/\w+/(?:cancel|cc|approve|reject|transfer|resubmit))",
            _MINUTE,
        ),
        (r"POST (/open-apis/approval/v4/instances/(?:query|specified_rollback))", _MESSAGES),
        (r"\w+ (/open-apis/approval/v4/instances/)[^/]+(/comments)?.*", _MESSAGES),
        (r"\w+ (/open-apis/approval/v4/instances)", _MINUTE),
        (r"\w+ (/open-apis/approval/v4/approvals/)[^/]+(/\w+)?", _MINUTE),
        (r"POST (/open-apis/approval/v4/approvals)", _MESSAGES),
    ),
    "contact": (
        (r"POST (/open-apis/contact/v3/users/basic_batch)", (Rate(5, 1),)),
        (r"\w+ (/open-apis/contact/v3/users/(?:batch_get_id|batch|find_by_department))", _MESSAGES),
        (r"\w+ (/open-apis/contact/v3/\w+)(?:(/)[^/]+(/\w+)?)?", _MESSAGES),
    ),
    "im": ((r"\w+ (/open-apis/im/v1/\w+/?)[^/]*(/[a-z_]+)?.*", _MESSAGES),),
}
"""Rules by the first segment of the path, so that a program compiles only the patterns of the areas that it
uses."""
_IDS = re.compile(r"(apps/|spreadsheets/)[^/]+(/tables/|/sheets/)[^/]+")


def list_limits(method: str, path: str, receiver: str | None = None, share: float = SHARE) -> list[Limit]:
    """Return the limits that a request counts against; none for an endpoint whose limit is not known.

    Args:
        method: The HTTP method.
        path: The path of the request from the root, such as `/open-apis/im/v1/messages`.
        receiver: The receiver of the message that it sends; None if it sends none.
        share: The share of each limit that is used, such as 0.8.
    """
    counted = list(_of_endpoint(method, path, share))
    if receiver is not None:
        counted.append(Limit.of(f"messages to {receiver}", MESSAGES_TO_ONE, share))
    return counted


@lru_cache(1024)  # a dozen patterns are tried, and most requests repeat the one before
def _of_endpoint(method: str, path: str, share: float) -> tuple[Limit, ...]:
    area = path.removeprefix("/open-apis/").partition("/")[0]
    for pattern, rates in _RULES.get(area, ()):
        match = re.fullmatch(pattern, f"{method} {path}")
        if match is not None:
            # Lark counts by endpoint and app, not by table.
            endpoint = _IDS.sub(r"\1*\2*", "*".join(part or "" for part in match.groups()))
            return tuple(Limit.of(f"{method} {endpoint}", rate, share) for rate in rates)
    return ()
