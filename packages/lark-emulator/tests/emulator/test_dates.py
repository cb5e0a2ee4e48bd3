from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from lark_emulator.bitable.dates import parse_span

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEDNESDAY = dt.date(2025, 1, 1)


@pytest.mark.parametrize(
    ("name", "first", "after"),
    [
        ("Today", "2025-01-01", "2025-01-02"),
        ("Tomorrow", "2025-01-02", "2025-01-03"),
        ("Yesterday", "2024-12-31", "2025-01-01"),
        ("CurrentWeek", "2024-12-30", "2025-01-06"),
        ("LastWeek", "2024-12-23", "2024-12-30"),
        ("CurrentMonth", "2025-01-01", "2025-02-01"),
        ("LastMonth", "2024-12-01", "2025-01-01"),
        ("TheLastWeek", "2024-12-26", "2025-01-02"),
        ("TheNextWeek", "2025-01-02", "2025-01-09"),
        ("TheLastMonth", "2024-12-03", "2025-01-02"),
        ("TheNextMonth", "2025-01-02", "2025-02-01"),
    ],
)
def test_named_days(name: str, first: str, after: str) -> None:
    days = parse_span([name], WEDNESDAY, SHANGHAI)
    assert days == (dt.date.fromisoformat(first), dt.date.fromisoformat(after))


def test_an_exact_date_is_a_day_of_the_zone() -> None:
    noon_utc = "1702449755000"  # 2023-12-13 06:42 in UTC
    late_utc = "1702490400000"  # 2023-12-13 18:00 in UTC, the next day in Shanghai
    spans = [parse_span(["ExactDate", ms], WEDNESDAY, SHANGHAI) for ms in (noon_utc, late_utc)]
    assert [days[0].isoformat() for days in spans if days] == ["2023-12-13", "2023-12-14"]


@pytest.mark.parametrize(
    "words", [["ExactDate"], ["ExactDate", "soon"], ["ExactDate", "9" * 30], ["LastYear"], ["today"]]
)
def test_what_is_not_a_date(words: list[str]) -> None:
    assert parse_span(words, WEDNESDAY, SHANGHAI) is None
