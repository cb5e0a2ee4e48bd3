"""The ways in which an urgent message alerts people."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

UrgentKind: TypeAlias = Literal["app", "sms", "phone"]
URGENT_KINDS: tuple[UrgentKind, ...] = get_args(UrgentKind)
