"""Links from a task in Airflow's UI to what it touched in Lark."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def chat_url(base_url: str, chat_id: str) -> str:
    """The link that opens a chat in the Lark app; "" where nobody knows it.

    Args:
        base_url: Of the API, such as https://open.feishu.cn.
        chat_id: The chat, `oc_…`.
    """
    domain = _domain(base_url)
    return f"https://applink.{domain}/client/chat/open?openChatId={quote(chat_id)}" if domain else ""


def bitable_url(base_url: str, app_token: str, table_id: str) -> str:
    """The link that opens a table in the browser; "" where nobody knows it.

    Args:
        base_url: Of the API, such as https://open.feishu.cn.
        app_token: The base, or a link to it, which is taken as it is.
        table_id: The table.
    """
    if "://" in app_token:
        return app_token
    domain = _domain(base_url)
    return f"https://www.{domain}/base/{quote(app_token)}?table={quote(table_id)}" if domain else ""


def _domain(base_url: str) -> str:
    """Where people see what an API serves; "" for one that is not at `open.…`, such as a local Lark."""
    host = urlsplit(base_url).hostname or ""
    return host.removeprefix("open.") if host.startswith("open.") else ""


class LarkChatLink(BaseOperatorLink):
    """Opens the chat that got the message. Airflow asks for it when the task has ended."""

    name = "Lark chat"

    def get_link(self, operator: BaseOperator, *, ti_key: object) -> str:  # noqa: ARG002 - Airflow's signature
        """The address, or "" if the task sent nothing."""
        return str(getattr(operator, "chat_link", ""))


class LarkBitableLink(BaseOperatorLink):
    """Opens the table that was written or read."""

    name = "Lark Bitable"

    def get_link(self, operator: BaseOperator, *, ti_key: object) -> str:  # noqa: ARG002 - Airflow's signature
        """The address, or "" if the task did not come that far."""
        return str(getattr(operator, "bitable_link", ""))
