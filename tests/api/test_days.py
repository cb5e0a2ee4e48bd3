"""Days: the moment that a load sends is in that day, and is the one that a sync compares with."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lark_provider.api.clouddoc import dates
from lark_provider.api.clouddoc.fields import DATE, Field
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.sync import canonical
from lark_provider.api.clouddoc.sync.source_rows import convert_calendar_day

FIELDS = [Field(field_name="Day", type=DATE)]
ZONES = [
    "UTC", "Asia/Shanghai", "Asia/Kolkata", "America/New_York", "Pacific/Auckland", "Pacific/Kiritimati",
    "America/Sao_Paulo", "America/Havana", "Asia/Beirut",  # clocks were changed at midnight there
]  # fmt: skip
days = st.dates(dt.date(1972, 1, 1), dt.date(2100, 1, 1))


@example(day=dt.date(2018, 11, 4), name="America/Sao_Paulo", as_text=False)  # has no midnight
@example(day=dt.date(2026, 11, 1), name="America/Havana", as_text=True)  # has two
@given(day=days, name=st.sampled_from(ZONES), as_text=st.booleans())
def test_a_day_is_that_day_in_its_zone_and_equal_in_a_sync(day: dt.date, name: str, as_text: bool) -> None:
    zone, given_ = ZoneInfo(name), day.isoformat() if as_text else day
    for converter in (
        Converter(FIELDS, days=zone),
        Converter(FIELDS, zone),
        Converter(FIELDS, zone, days=None),
    ):
        wire, bad = converter.to_wire({"Day": given_})
        assert not bad
        moment = (dates.EPOCH + dt.timedelta(milliseconds=wire["Day"])).astimezone(zone)
        assert moment.date() == day
        start, mode = convert_calendar_day(given_, zone)
        synced, _ = Converter(FIELDS).to_wire({"Day": start})
        assert (mode, synced) == (canonical.DAY, wire)
        assert canonical.compute_midnight(wire["Day"], zone) == canonical.compute_midnight(
            synced["Day"], zone
        )


@pytest.mark.parametrize("day", [dt.date(2026, 1, 31), "2026-01-31", " 2026-01-31 "])
def test_a_day_asks_for_its_zone(day: dt.date | str) -> None:
    with pytest.raises(dates.DayWithoutZoneError):
        Converter(FIELDS, days=None).to_wire({"Day": day})


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), 1_772_000_000_000, dt.datetime(2026, 1, 31, tzinfo=dt.UTC), "2026-01-31T09:00Z"],
)
def test_other_values_ask_for_no_zone(value: object) -> None:
    assert Converter(FIELDS, days=None).to_wire({"Day": value})[1] == []


@pytest.mark.parametrize("value", [dt.datetime(2026, 1, 31), "2026-01-31 00:00", "2026/01/31", True])  # noqa: DTZ001
def test_what_does_not_fit_asks_for_none(value: object) -> None:
    assert len(Converter(FIELDS, days=None).to_wire({"Day": value})[1]) == 1


def test_naive_values_of_numpy_and_pandas_are_no_days() -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    for value in (
        numpy.datetime64("2026-01-31"),
        numpy.datetime64("2026-01"),
        pandas.Timestamp("2026-01-31"),
    ):
        assert len(Converter(FIELDS, days=None).to_wire({"Day": value})[1]) == 1, value
    aware = pandas.Timestamp("2026-01-31", tz="Asia/Shanghai")
    (wire, bad) = Converter(FIELDS, days=None).to_wire({"Day": aware})
    assert (wire["Day"], bad) == (1_769_788_800_000, [])
