"""Errors of failed tasks that a poll of the bridge had no time to read are read by later polls."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from lark_provider.bridge import airflow_api, failure_logs
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import incidents
from lark_provider.storage.engine import hold_transaction
from tests.bridge.builders import execute
from tests.bridge.site import Site

COUNT = 12
GIVEN_UP = "Error of a failed task unknown; its card has no error text"


def no_time(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> None:
    monkeypatch.setattr(failure_logs, "POLL_SECONDS", seconds)


def test_slow_logs_are_read_in_later_polls_of_whichever_bridge(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.airflow.log_seconds = 0.3
    no_time(monkeypatch, 0.2)
    for number in range(COUNT):
        site.airflow.fail(f"r{number:02}")
    site.poll()
    first = site.quoting()
    assert 0 < len(first) < COUNT
    read = set(site.airflow.logs)
    # All were reported, and Airflow lists them no more: another bridge knows them by their rows alone.
    listed, site.airflow.failed = site.airflow.failed, []
    monkeypatch.setattr(failure_logs, "REQUESTS_AT_ONCE", 1)
    site.poll(COUNT)
    site.airflow.failed = listed
    assert len(site.quoting()) == COUNT
    assert len(site.airflow.logs) == len(set(site.airflow.logs)) == COUNT
    later = [log for log in site.airflow.logs if log not in read]
    assert later == sorted(later), "the oldest first"
    rows = execute(site.url, "SELECT run_id, version FROM incidents")
    assert {row.version for row in rows if row.run_id in first} == {1}
    assert {row.version for row in rows if row.run_id not in first} == {2}, "a card is updated once"


def test_every_card_quotes_an_error_before_one_quotes_two(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_time(monkeypatch)
    for task_id in ("a", "b", "c"):
        site.airflow.fail("r1", task_id)
    site.airflow.fail("r2", "a")
    site.poll()
    assert site.airflow.logs == []
    monkeypatch.setattr(failure_logs, "POLL_SECONDS", 60.0)
    monkeypatch.setattr(failure_logs, "REQUESTS_AT_ONCE", 1)
    site.airflow.failed = []
    site.poll(2)
    assert site.airflow.logs == [("r1", "c"), ("r2", "a"), ("r1", "a"), ("r1", "b")]
    shown = site.of("r1")
    assert [failure.error for failure in shown.incident.failures] == ["ValueError: no rows for r1"] * 3
    assert (shown.event.error, shown.event.task_id) == ("no rows for r1", "c")
    assert shown.incident.count == 3
    assert shown.incident.version == 2


def test_failures_that_are_listed_again_after_a_restart_are_read_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_time(monkeypatch)
    site.airflow.fail("r1", "a")
    site.airflow.fail("r1", "b")
    site.poll()
    monkeypatch.setattr(failure_logs, "POLL_SECONDS", 60.0)
    site.poll()
    assert sorted(site.airflow.logs) == [("r1", "a"), ("r1", "b")]
    assert all(failure.error for failure in site.of("r1").incident.failures)
    site.poll(2)
    assert len(site.airflow.logs) == 2
    assert site.of("r1").incident.version == 2


def test_what_is_gone_is_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    no_time(monkeypatch)
    for run_id in ("green", "old", "other", "red"):
        site.airflow.fail(run_id)
    site.poll()
    site.airflow.runs = [
        {"dag_id": "etl", "dag_run_id": "green", "state": "success", "end_date": "2026-11-26T11:00:00Z"}
    ]
    with hold_transaction(migrate.prepare_engine(site.url)) as connection:
        at = datetime.now(UTC) - timedelta(seconds=failure_logs.LATEST_SECONDS + 60)
        connection.execute(incidents.update().where(incidents.c.run_id == "old").values(updated_at=at))
    monkeypatch.setattr(failure_logs, "POLL_SECONDS", 60.0)
    site.airflow.failed = []
    site.poll(public="https://another-airflow.example.com")
    assert site.airflow.logs == []
    site.poll(2)
    assert sorted(site.airflow.logs) == [("other", "load"), ("red", "load")]


def test_a_log_that_is_too_long_is_given_up_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(airflow_api, "_MAX_BYTES", 5_000)
    site.airflow.log_padding = "x" * 10_000
    site.airflow.fail("r1")
    site.poll(3)
    assert len(site.airflow.logs) == 1
    assert site.of("r1").incident.failures[0].error == ""
    assert GIVEN_UP in caplog.text


@pytest.mark.parametrize(("status", "reads"), [(404, 2), (403, 1), (500, 5)])
def test_a_log_that_cannot_be_read_is_given_up_and_its_failure_reported(
    site: Site, status: int, reads: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.airflow.fail("r1")
    site.airflow.log_status = status
    site.poll(8)
    assert site.of("r1").incident.count == 1
    assert len(site.airflow.logs) == reads
    (given_up,) = (record for record in caplog.records if record.getMessage() == GIVEN_UP)
    fields = vars(given_up)
    assert (fields["dag_id"], fields["run_id"], fields["task"]) == ("etl", "r1", "load")
    assert fields["reason"]
    refused = [
        record for record in caplog.records if record.getMessage().startswith("Task logs not readable")
    ]
    assert len(refused) == (status == 403)
    site.airflow.log_status = 200
    site.poll()
    assert site.quoting() == ["r1"], "a bridge that is started later reads it"


def test_a_log_without_an_error_is_read_again_in_the_next_poll_alone(site: Site) -> None:
    site.airflow.silent = frozenset({"load", "late"})
    site.airflow.fail("r1")
    site.airflow.fail("r2", "late")
    site.poll(1)
    assert site.quoting() == []

    def upload() -> None:
        site.airflow.silent = frozenset({"load"})

    site.airflow.logs.clear()
    site.poll(4, meanwhile=upload)
    assert sorted(site.airflow.logs) == [("r1", "load"), ("r1", "load"), ("r2", "late"), ("r2", "late")]
    assert site.quoting() == ["r2"]
    assert (site.of("r1").incident.version, site.of("r2").incident.version) == (1, 2)
