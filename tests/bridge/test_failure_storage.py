from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import URL

from lark_provider.outbox import outgoing
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Incident
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import incidents
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.failures import FailureCursor, Mutes, OpenRun
from lark_provider.storage.incidents import Incidents, RecordedIncident
from lark_provider.support.secret import Secret

APP = App("https://open.feishu.cn", "cli_a", Secret("s3cret-of-the-app-00000000000000"))


def record(url: URL, run_id: str, task: str = "t", kind: str = "failure", app: App = APP) -> RecordedIncident:
    event = RunEvent(kind, "d", run_id, task, try_number=1, ti_id=f"{run_id}-{task}")  # type: ignore[arg-type]  # a kind

    def change(before: ShownIncident) -> ShownIncident | None:
        incident = apply_event(before.incident if before.incident.version else Incident(), event, {})
        return None if incident is None else replace(before, incident=incident)

    place = IncidentPlace("d", run_id, "oc_1", "chat_id", "en")
    return Incidents(url, app).record(place, event, change, outgoing.render_card_payload)


def change_run(url: URL, run_id: str, days_ago: int) -> None:
    with hold_transaction(migrate.prepare_engine(url)) as connection:
        at = datetime.now(UTC) - timedelta(days=days_ago)
        connection.execute(incidents.update().where(incidents.c.run_id == run_id).values(updated_at=at))


def test_the_cursor_of_each_airflow_is_its_own(url: URL) -> None:
    cursor, other = FailureCursor(url, "http://a"), FailureCursor(url, "http://b")
    assert cursor.read() is None
    at = datetime(2026, 11, 26, 10, 0, 0, 123456, tzinfo=UTC)
    cursor.write(at)
    cursor.write(at + timedelta(seconds=15))
    assert (cursor.read(), other.read()) == (at + timedelta(seconds=15), None)


def test_open_incidents_are_followed_until_they_recover(url: URL) -> None:
    keys = {run_id: record(url, run_id).shown.key for run_id in ("r1", "r2")}  # type: ignore[union-attr]  # shown
    record(url, "r2", "other")
    cursor = FailureCursor(url, "http://a")
    first, second = cursor.open_incidents()
    assert (first.key, first.run, first.version) == (keys["r1"], OpenRun("cli_a", "d", "r1"), 1)
    assert (second.key, second.run, second.version) == (keys["r2"], OpenRun("cli_a", "d", "r2"), 2)
    change_run(url, "r2", days_ago=1)
    assert [incident.changed_ago > 3600 for incident in cursor.open_incidents()] == [False, True]
    record(url, "r1", kind="dag_success")
    assert [incident.key for incident in cursor.open_incidents()] == [keys["r2"]]
    change_run(url, "r2", days_ago=15)
    assert cursor.open_incidents() == []


def test_the_incidents_of_a_run_are_those_of_all_rounds_and_of_one_app(url: URL) -> None:
    for kind in ("failure", "dag_success", "failure"):
        record(url, "r1", kind=kind)
    record(url, "r2")
    record(url, "r1", app=replace(APP, app_id="cli_b"))
    rounds = Incidents(url, APP).of_run("d", "r1")
    assert [incident.incident.over for incident in rounds] == [True, False]
    assert {failure.ti_id for incident in rounds for failure in incident.incident.failures} == {"r1-t"}


def test_a_muted_task_is_not_recorded_until_the_mute_ends(url: URL) -> None:
    mutes, now = Mutes(url), datetime.now(UTC)
    mutes.mute("d", "t", now + timedelta(hours=1), "ou_1", "bob")
    mutes.mute("d", "over", now - timedelta(seconds=1), "ou_1", "bob")
    assert mutes.read_active() == {("d", "t")}
    assert record(url, "r1").is_muted
    assert not record(url, "r1", "other").is_muted
    mutes.mute("d", "t", now - timedelta(seconds=1), "ou_2", "eve")
    assert mutes.read_active() == set()
    assert not record(url, "r1").is_muted
