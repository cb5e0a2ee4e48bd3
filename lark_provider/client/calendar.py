"""`client.calendar`: calendars, bound for both clients; loaded when it is used."""

from __future__ import annotations

from typing import TypeVar

from lark_provider.api import calendar
from lark_provider.client.bind import Async, Namespace, ProcedureMethod, Sync

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Calendar(Namespace[R_co]):
    """`client.calendar`: events that are going on."""

    happening = ProcedureMethod(calendar.happening)
