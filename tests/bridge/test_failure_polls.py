"""What polls record of runs that fail again, and of tasks that are muted while a poll goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lark_provider.outbox import outgoing
from lark_provider.storage.failures import Mutes
from tests.bridge.site import Site


def end_run(site: Site, run_id: str, state: str, at: str) -> None:
    """Let a run end in Airflow."""
    site.airflow.runs = [{"dag_id": "etl", "dag_run_id": run_id, "state": state, "end_date": at}]


def test_a_run_that_fails_again_without_a_failed_task_keeps_its_card_red(site: Site) -> None:
    site.airflow.fail("r")
    end_run(site, "r", "failed", "2026-11-26T10:00:00Z")
    site.poll()
    # It was cleared: its task has succeeded, and the run has timed out.
    (task,) = site.airflow.failed
    site.airflow.failed, site.airflow.recovered = [], [task | {"id": "again", "state": "success"}]
    end_run(site, "r", "failed", "2026-11-26T11:00:00Z")
    site.poll(2)
    site.poll()  # Another bridge looks at the same end.
    incident = site.of("r").incident
    assert (incident.over, incident.run_failed) == (False, True)
    assert [failure.recovered for failure in incident.failures] == [True]
    assert "没有任务失败" in outgoing.render_card_payload(site.of("r"))
    end_run(site, "r", "success", "2026-11-26T12:00:00Z")
    site.poll()
    assert site.of("r").incident.over


def test_a_task_that_is_muted_during_a_poll_takes_no_other_with_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutes = Mutes(site.url)
    mutes.mute("etl", "noisy", datetime.now(UTC) + timedelta(hours=1), "ou_1", "bob")
    monkeypatch.setattr(Mutes, "read_active", lambda _self: set())  # As it was read before the click.
    for task_id in ("load", "noisy"):
        site.airflow.fail("r", task_id)
    site.poll()
    assert [failure.task_id for failure in site.of("r").incident.failures] == ["load"]
