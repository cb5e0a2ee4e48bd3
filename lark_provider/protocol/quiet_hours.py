"""Hours of the day in which no messages are sent, by the wall clock of a time zone. No I/O or clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_HORIZON = timedelta(days=3)
"""A time longer than any quiet hours, even if the clocks change in them."""
_FINEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of each day. The time that the wall clock shows counts, even if the clocks change.

    Attributes:
        begin: The time of day at which they begin.
        end: The time of day at which they end; before `begin`, it is that of the next day.
        timezone: The IANA name of the time zone whose clock counts.
    """

    begin: time
    end: time
    timezone: str

    def covers(self, at: datetime) -> bool:
        """Return whether a moment is in these hours.

        Args:
            at: The moment, with its time zone.
        """
        now = at.astimezone(ZoneInfo(self.timezone)).time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def end_after(self, at: datetime) -> datetime:
        """Return when the hours that cover a moment end, in UTC; the moment itself if it is not in them.

        Args:
            at: The moment, with its time zone.
        """
        return self._change(at, covered=False)

    def begin_after(self, at: datetime) -> datetime:
        """Return when the next hours begin, in UTC; the moment itself if it is in them.

        Args:
            at: The moment, with its time zone.
        """
        return self._change(at, covered=True)

    def add_minutes(self, at: datetime, minutes: float) -> datetime:
        """Add minutes to a moment, skipping these hours.

        Args:
            at: The moment from which the minutes count, with its time zone.
            minutes: How many minutes, 0 or more.
        """
        now, left = self.end_after(at), timedelta(minutes=minutes)
        while now + left >= (begin := self.begin_after(now)):
            left -= begin - now
            now = self.end_after(begin)
        return now + left

    def _change(self, at: datetime, *, covered: bool) -> datetime:
        now = at.astimezone(UTC)
        if self.covers(now) is covered:
            return now
        # The wall clock passes a limit at that time of day, or when the clocks are changed.
        return next(
            limit
            for limit in sorted(self._iterate_limits(now))
            if limit > now and self.covers(limit) is covered
        )

    def _iterate_limits(self, now: datetime) -> Iterator[datetime]:
        zone = ZoneInfo(self.timezone)
        first = now.astimezone(zone).date() - timedelta(days=1)
        for number in range(_HORIZON.days + 2):
            for limit in (self.begin, self.end):
                for fold in (0, 1):
                    day = first + timedelta(days=number)
                    yield datetime.combine(day, limit, zone).replace(fold=fold).astimezone(UTC)
        yield from _iterate_clock_changes(now, now + _HORIZON, zone)


def _iterate_clock_changes(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the moment between two others at which the zone's clocks are changed; nothing if they are not."""

    def get_offset(at: datetime) -> timedelta | None:
        return at.astimezone(zone).utcoffset()

    if get_offset(begin) == get_offset(end):
        return
    while end - begin > _FINEST:
        middle = begin + (end - begin) / 2
        if get_offset(middle) == get_offset(begin):
            begin = middle
        else:
            end = middle
    yield end.replace(microsecond=0)


def compute_moment(day: date, at: time, timezone: str) -> datetime:
    """Return a local time of a day in UTC, even if the clocks change on that day.

    If the clock shows the time twice, the first one is returned. If it skips the time, the result is later by
    as much as the clocks were moved.

    Args:
        day: The local day.
        at: The time of day.
        timezone: An IANA name.
    """
    return datetime.combine(day, at, ZoneInfo(timezone)).astimezone(UTC)
