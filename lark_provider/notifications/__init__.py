"""Tell people in Lark what a DAG did; loaded when it is used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.notifications.lark import LarkNotifier as LarkNotifier

__all__ = ["LarkNotifier"]


def __getattr__(name: str) -> object:
    if name == "LarkNotifier":
        from lark_provider.notifications.lark import LarkNotifier  # noqa: PLC0415 - Airflow, when it is needed

        return LarkNotifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
