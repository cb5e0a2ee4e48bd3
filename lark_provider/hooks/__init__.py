"""Airflow's way to Lark."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.hooks.lark import LarkHook as LarkHook

__all__ = ["LarkHook"]


def __getattr__(name: str) -> object:
    if name == "LarkHook":
        from lark_provider.hooks.lark import LarkHook  # noqa: PLC0415 - Airflow is loaded when it is needed

        return LarkHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
