"""What a look at many open questions costs, on a large table: `python -m benchmarks.looks` for this alone.

Each question has clicks, all by people who may not answer it, and a gateway goes on storing others.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import URL

from benchmarks.processes import Lab, Series
from benchmarks.table import Goal, Row
from lark_provider.protocol.questions import Draft, Origin, Question
from lark_provider.storage import migrate, urls
from lark_provider.storage.deadlines import MAINTENANCE
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.wait_polling import WaitPoller
from lark_provider.storage.waits import Waits
from tests.services import postgres

_QUESTIONS, _CLICKS_EACH, _ROWS = 10_000, 5, 1_000_000
_LOOKS, _CLICKS_A_LOOK = 80, 50
_PEOPLE = 20

# A question's clicks are spread over the table, as they are over time.
_FILL = """
INSERT INTO card_callbacks
    (event_id, app_id, message_id, correlation, operator_id, payload, clicked_at, stored_at)
SELECT 'e' || n, 'cli_1', 'om_' || n,
       CASE WHEN n % :stride = 0 THEN 'w' || (n / :stride) % :questions ELSE 'x' || n END,
       'ou_stranger' || n % 100, repeat(md5(n::text), 25), now(), now()
FROM generate_series(:first, :last) n
"""
_COPY = """
INSERT INTO waits (id, origin_key, origin, app_id, message_ids, question, state, created_at, updated_at)
SELECT 'w' || n, origin_key, origin, app_id, message_ids,
       replace(question, 'ou_someone', 'ou_boss' || n % :people), state, created_at, updated_at
FROM waits, generate_series(0, :most) n
"""


def looks(_lab: Lab | None = None) -> Iterator[Row]:
    """Time looks as a triggerer's hub has them, for longer than a look without a bound takes to come."""
    with postgres.find(os.environ).server.databases() as databases:
        url = urls.parse(databases.make(), "the benchmark's database")
        migrate.upgrade(url)
        _fill(1, _ROWS, url)
        question = Question(operators=("ou_someone",), options={"approve": "Yes"})
        origin = Origin("d", "r", "t", -1, "approval", 1, 1)
        Waits(url).claim(Draft(origin, question, "cli_1"))
        with hold_transaction(get_engine(url), limits=MAINTENANCE) as connection:
            connection.execute(sa.text(_COPY), {"people": _PEOPLE, "most": _QUESTIONS - 1})
            connection.exec_driver_sql("ANALYZE")
        open_waits = list(Waits(url).read(f"w{n}" for n in range(_QUESTIONS)).values())
        at, took = WaitPoller(url), list[float]()
        for number in range(_LOOKS):
            first = _ROWS + 1 + number * _CLICKS_A_LOOK
            _fill(first, first + _CLICKS_A_LOOK - 1, url)
            began = time.perf_counter()
            assert at.settle(open_waits) == {}  # noqa: S101 - else it is another measurement
            took.append(1000 * (time.perf_counter() - began))
            time.sleep(max(0.0, 1 - (time.perf_counter() - began)))
        get_engine(url).dispose()
    what = f"{_QUESTIONS:,} questions, {_ROWS:,} clicks: a look, ms"
    yield Row(what, Series({"ours": took[1:]}), [Goal(50)])
    yield Row("… the first, which reads all their clicks, ms", Series({"ours": took[:1]}))


def _fill(first: int, last: int, url: URL) -> None:
    stride = _ROWS // (_QUESTIONS * _CLICKS_EACH)
    parameters = {"first": first, "last": last, "stride": stride, "questions": _QUESTIONS}
    with hold_transaction(get_engine(url), limits=MAINTENANCE) as connection:
        connection.execute(sa.text(_FILL), parameters)


if __name__ == "__main__":
    for row in looks():
        values = row.series.values["ours"]
        print(f"{row.what}: median {statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})")
