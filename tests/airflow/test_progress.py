"""Progress of tasks that move many rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from airflow.sdk.exceptions import AirflowException

from lark_provider.operators.progress import Progress
from tests.clock import Clock


def test_a_line_every_five_seconds() -> None:
    clock = Clock(100.0)
    progress = Progress(structlog.get_logger("task"), clock=clock)
    with structlog.testing.capture_logs() as lines:
        for _ in progress.track_rows(range(24)):
            clock.now += 0.5
        progress.wrote(0, 1_000)
        for done in range(100, 1_001, 100):
            clock.now += 1
            progress.wrote(done, 1_000)
    reading, writing = {"event": "Reading rows"}, {"event": "Writing records", "total": 1_000}
    assert [{key: line[key] for key in line.keys() - {"log_level"}} for line in lines] == [
        {**reading, "rows": 11, "rows_per_s": 2},
        {**reading, "rows": 21, "rows_per_s": 2},
        {**writing, "records": 300, "records_per_s": 100, "remaining_s": 7},
        {**writing, "records": 800, "records_per_s": 100, "remaining_s": 2},
    ]


def test_it_stops_between_rows_and_between_batches() -> None:
    progress = Progress(structlog.get_logger("task"))
    closed = []

    def yield_rows() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    reader = progress.track_rows(yield_rows())
    assert next(reader) == 0
    progress.stop()
    with pytest.raises(AirflowException, match="stopped by Airflow"):
        next(reader)
    assert closed == [True]
    with pytest.raises(AirflowException, match="stopped by Airflow"):
        progress.wrote(0, 10)
