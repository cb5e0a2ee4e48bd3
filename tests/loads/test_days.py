"""Days of a load begin in the base's own time zone, which is read once and recorded; a sync agrees."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Iterator
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import BulkWriteError, ConflictError, InvalidRequestError, PermissionDeniedError
from lark_provider.storage import urls
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.migrate import prepare_engine
from lark_provider.storage.tables import ledger
from tests.loads.attempts import Attempts
from tests.loads.conftest import CREATE, LoadTable

SHANGHAI, NEW_YORK, TOKYO = "Asia/Shanghai", "America/New_York", "Asia/Tokyo"
FIRST = dt.date(2026, 3, 7)  # clocks in New York are changed on the 8th
MOMENT = dt.datetime(2026, 3, 8, 9, tzinfo=dt.UTC)
APP = "GET /open-apis/bitable/v1/apps/:app_token"
Validate = Literal["chunk", "all"]
each_validate = pytest.mark.parametrize("validate", ["chunk", "all"])


@pytest.fixture
def dated(lark: Emulator) -> LoadTable:
    """Create a table with a date field, in a base of the emulator's own zone, Asia/Shanghai."""
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Days").data["app"]["app_token"]
    fields: list[Any] = [{"field_name": "No", "type": 2}, {"field_name": "Day", "type": 5}]
    return LoadTable(lark, app_token, bitable.create_table(app_token, "Rows", fields=fields).data["table_id"])


def move(place: LoadTable, zone: str) -> None:
    """Change the base's time zone, as a person does in Lark: its API cannot."""
    app = {"app_token": place.app_token, "name": "Days", "is_advanced": False, "time_zone": zone}
    place.lark.stub(
        "GET", f"/open-apis/bitable/v1/apps/{place.app_token}", json={"code": 0, "data": {"app": app}}
    )


def count_settings_reads(place: LoadTable) -> int:
    """Return how often the base's settings were read."""
    return int(place.lark.state(summary=True)["by_endpoint"].get(APP, 0))


def days(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Return rows, every other day as text."""
    dates = [FIRST + dt.timedelta(number) for number in range(count)]
    return [
        {"No": number, "Day": day.isoformat() if number % 2 else day}
        for number, day in enumerate(dates)
        if number >= start
    ]


def break_off(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from rows
    raise OSError("the source is gone")


def standing(place: LoadTable, zone: str) -> list[dt.datetime]:
    """Return what is in the table, by the clock of a zone."""
    return [row["Day"].astimezone(ZoneInfo(zone)).replace(tzinfo=None) for row in place.read_stored()]


def midnights(count: int) -> list[dt.datetime]:
    return [dt.datetime.combine(FIRST + dt.timedelta(number), dt.time()) for number in range(count)]


def recorded_by_an_earlier_version(database: str) -> None:
    """Give the ledger's entries the form that they had before zones were recorded."""
    with hold_transaction(prepare_engine(urls.parse(database, "test"))) as connection:
        for identity, detail in connection.execute(sa.select(ledger.c.id, ledger.c.detail)).all():
            new = {"days", "record"}
            old = {name: value for name, value in orjson.loads(detail).items() if name not in new}
            assert set(old) == {"chunk_size", "restart", "is_clearing"}
            changed = ledger.update().where(ledger.c.id == identity).values(detail=orjson.dumps(old).decode())
            connection.execute(changed)


@pytest.mark.parametrize("own", [SHANGHAI, NEW_YORK, "Pacific/Auckland", "UTC"])
@pytest.mark.parametrize("zone", [None, TOKYO])
@pytest.mark.usefixtures("database")
def test_a_sync_of_the_same_rows_finds_nothing_to_write(dated: LoadTable, own: str, zone: str | None) -> None:
    move(dated, own)
    dated.load(days(5))
    assert standing(dated, own) == midnights(5)
    # In a sync `zone` is that of naive datetimes; its days are those of the base.
    done = dated.bitable.sync(dated.app_token, dated.table_id, days(5), key_fields="No", zone=zone)
    assert (done.created, done.updated, done.counts.unchanged) == (0, 0, 5)


@pytest.mark.usefixtures("database")
def test_a_load_writes_days_in_the_zone_that_it_was_given(dated: LoadTable) -> None:
    dated.load(days(5), zone=TOKYO)
    assert standing(dated, TOKYO) == midnights(5)
    assert count_settings_reads(dated) == 0


@each_validate
@pytest.mark.usefixtures("database")
def test_the_zone_is_read_once_and_only_for_days(dated: LoadTable, validate: Validate) -> None:
    moments: list[dict[str, Any]] = [
        {"No": 0, "Day": MOMENT},
        {"No": 1, "Day": 1_772_000_000_000},
        {"No": 2, "Day": None},
        {"No": 3},
    ]
    moments += [{"No": 4, "Day": "2026-03-08T09:00:00+08:00"}, {"No": 5, "Day": "2026-03-08T09:00Z"}]
    dated.load(moments, "moments", chunk_size=2, validate=validate)
    dated.load(days(4), "named", zone=TOKYO, validate=validate)
    assert count_settings_reads(dated) == 0
    # The first day is in the third chunk.
    dated.load(iter([*moments[:4], *days(9)]), "days", chunk_size=2, validate=validate)
    assert count_settings_reads(dated) == 1
    dated.load(iter([*moments[:4], *days(9)]), "days", chunk_size=2, validate=validate)
    assert count_settings_reads(dated) == 1, "it is recorded"


@each_validate
@pytest.mark.usefixtures("database")
def test_a_load_keeps_its_zone_though_the_base_is_moved(dated: LoadTable, validate: Validate) -> None:
    dated.lark.fault("POST", CREATE, skip=1, code=1254064, msg="DatetimeFieldConvFail")
    with pytest.raises(BulkWriteError):
        dated.load(days(25), validate=validate)
    move(dated, NEW_YORK)
    done = dated.load(days(25), validate=validate)
    assert done.written == 25
    assert standing(dated, SHANGHAI) == midnights(25)
    again = dated.load(days(25), validate=validate)
    assert (again.written, again.replayed, len(dated.list_ids())) == (25, 25, 25)


@each_validate
@pytest.mark.usefixtures("database")
def test_a_restart_takes_the_zone_that_the_base_has_now(dated: LoadTable, validate: Validate) -> None:
    dated.load(days(12), validate=validate)
    move(dated, NEW_YORK)
    dated.load(days(12), validate=validate, restart=1)
    assert standing(dated, NEW_YORK) == midnights(12)
    move(dated, TOKYO)
    assert dated.load(days(12), validate=validate, restart=1).replayed == 12
    assert standing(dated, NEW_YORK) == midnights(12)


@each_validate
@pytest.mark.parametrize("finished", [True, False])
def test_loads_of_earlier_versions_keep_their_days(
    dated: LoadTable, database: str, validate: Validate, finished: bool
) -> None:
    # Without zone=, they began in UTC; what was sent is the same, and so is its digest.
    if finished:
        dated.load(days(25), zone="UTC")
    else:
        with pytest.raises(BulkWriteError):
            dated.load(break_off(days(20)), zone="UTC")
    recorded_by_an_earlier_version(database)
    done = dated.load(days(25), validate=validate)
    assert (done.written, done.replayed) == (25, 25 if finished else 20)
    assert (standing(dated, "UTC"), count_settings_reads(dated)) == (midnights(25), 0)
    dated.load(days(25), validate=validate, restart=1)
    assert standing(dated, SHANGHAI) == midnights(25)


@pytest.mark.usefixtures("database")
def test_a_named_zone_wins_over_the_recorded_one(dated: LoadTable) -> None:
    with pytest.raises(BulkWriteError):
        dated.load(break_off(days(20)))
    with pytest.raises(ConflictError, match="Row 1 of the source"):
        dated.load(days(25), zone=TOKYO)
    assert dated.load(days(25), zone=SHANGHAI).replayed == 20


@pytest.mark.usefixtures("database")
def test_rows_that_were_converted_by_another_zone_are_not_sent(dated: LoadTable) -> None:
    def source() -> Iterator[dict[str, Any]]:
        yield from days(1000)
        # These rows are converted by now. Another attempt is faster, and the base was moved before it.
        move(dated, NEW_YORK)
        dated.load(days(1001), chunk_size=1000)
        yield from days(1001, start=1000)

    with pytest.raises(ConflictError, match=r"Asia/Shanghai.*America/New_York") as caught:
        dated.load(source(), chunk_size=1000, validate="all")
    assert caught.value.retryable
    assert dated.load(days(1001), chunk_size=1000, validate="all").replayed == 1001
    assert standing(dated, NEW_YORK) == midnights(1001)


@each_validate
@pytest.mark.usefixtures("database")
def test_an_app_that_may_not_read_the_base_is_told_to_pass_a_zone(
    dated: LoadTable, validate: Validate
) -> None:
    dated.lark.fault("GET", f"/open-apis/bitable/v1/apps/{dated.app_token}", status=403, code=91403, times=9)
    with pytest.raises(PermissionDeniedError, match="zone=") as caught:
        dated.load(days(3), validate=validate)
    assert (caught.value.code, dated.list_ids()) == (91403, [])
    assert dated.load(days(3), validate=validate, zone=SHANGHAI).written == 3


@pytest.mark.usefixtures("database")
def test_days_in_a_base_without_a_zone_begin_in_utc(dated: LoadTable) -> None:
    move(dated, "Mars/Olympus")
    dated.load(days(3))
    assert standing(dated, "UTC") == midnights(3)
    assert dated.bitable.sync(dated.app_token, dated.table_id, days(3), key_fields="No").updated == 0


@each_validate
@pytest.mark.usefixtures("database")
def test_naive_datetimes_still_need_a_zone(dated: LoadTable, validate: Validate) -> None:
    rows = [{"No": 1, "Day": FIRST}, {"No": 2, "Day": dt.datetime(2026, 3, 8)}, {"No": 3, "Day": MOMENT}]  # noqa: DTZ001
    with pytest.raises(
        InvalidRequestError, match="row 2, field 'Day': must be an aware datetime unless zone="
    ):
        dated.load(rows, validate=validate)
    done = dated.load(rows, "skipped", on_bad_row="skip", validate=validate)
    assert ([reject.row for reject in done.rejects], len(dated.list_ids())) == ([2], 2)
    assert standing(dated, SHANGHAI)[0] == midnights(1)[0]


def test_a_load_that_is_killed_anywhere_has_days_of_one_zone(dated: LoadTable, database: str) -> None:
    rows, seen = 5, set[str]()
    with Attempts({"LARK_DATABASE_URL": database}, "tests.loads.dated") as attempts:
        for at in range(1, 16):
            move(dated, SHANGHAI)
            table = dated.bitable.create_table(
                dated.app_token, f"Killed at {at}",
                fields=[{"field_name": "No", "type": 2}, {"field_name": "Day", "type": 5}],
            ).data["table_id"]  # fmt: skip
            spec = {
                "module": "tests.loads.dated", "rows": rows, "key": "load",
                "app_token": dated.app_token, "table_id": table,
            }  # fmt: skip
            attempts.run({**spec, "at": at, "signal": int(signal.SIGKILL)})
            place = LoadTable(dated.lark, dated.app_token, table)
            begun = len(place.list_ids())
            move(dated, NEW_YORK)
            assert attempts.run(spec).get("written") == rows, at
            assert [row["No"] for row in place.read_stored()] == list(range(rows)), at
            zones = [
                zone for zone in (SHANGHAI, NEW_YORK) if {day.hour for day in standing(place, zone)} == {0}
            ]
            assert zones, f"killed before effect {at}: days of two zones"
            assert zones == [SHANGHAI] or not begun, at
            seen |= set(zones)
    assert seen == {SHANGHAI, NEW_YORK}, "kills before and after the zone was recorded"
