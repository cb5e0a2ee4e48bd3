"""The base of the Lark operators."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator

from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.templates import StrictTemplates


class LarkOperator(StrictTemplates, BaseOperator):
    """Hold a Lark connection.

    Args:
        lark_conn_id: The connection.
        deadline: Seconds for one call to Lark in all: token, waits, retries and the answer.
    """

    ui_color = "#d9e8ff"

    def __init__(
        self, *, lark_conn_id: str = LarkHook.default_conn_name, deadline: float = 120.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lark_conn_id, self.deadline = lark_conn_id, deadline

    @cached_property
    def hook(self) -> LarkHook:
        """Make the hook of the operator's connection."""
        return LarkHook(self.lark_conn_id, deadline=self.deadline)
