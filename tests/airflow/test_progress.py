"""Progress of tasks that move many rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from airflow.sdk.exceptions import AirflowException

from lark_provider.operators.progress import Progress
from tests.clock import Clock


def test_a_line_every_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(100.0)
    progress = Progress(logging.getLogger("task"), clock=clock)
    with caplog.at_level("INFO", "task"):
        for _ in progress.track_rows(range(24)):
            clock.now += 0.5
        progress.wrote(0, 1_000)
        for done in range(100, 1_001, 100):
            clock.now += 1
            progress.wrote(done, 1_000)
    assert caplog.messages == [
        "Read 11 rows, 2 a second.",
        "Read 21 rows, 2 a second.",
        "Wrote 300 of 1000 records, 100 a second; about 7 s remain.",
        "Wrote 800 of 1000 records, 100 a second; about 2 s remain.",
    ]


def test_it_stops_between_rows_and_between_batches() -> None:
    progress = Progress(logging.getLogger("task"))
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
