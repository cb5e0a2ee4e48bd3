"""What the Lark operators share: a connection."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseOperator  # isort: skip

from lark_provider.hooks.lark import LarkHook


class LarkOperator(BaseOperator):
    """An operator with a Lark connection.

    Args:
        lark_conn_id: The connection.
    """

    ui_color = "#d9e8ff"

    def __init__(self, *, lark_conn_id: str = LarkHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lark_conn_id = lark_conn_id

    @cached_property
    def hook(self) -> LarkHook:
        """The hook of the operator's connection."""
        return LarkHook(self.lark_conn_id)
