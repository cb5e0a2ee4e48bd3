"""Links from a task in Airflow's UI to the chat, table or spreadsheet that it used in Lark."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def make_chat_url(base_url: str, chat_id: str, web_domain: str = "") -> str:
    """Return the link that opens a chat in the Lark app; "" without a chat.

    Args:
        base_url: The URL of the API, such as https://open.feishu.cn.
        chat_id: The chat, `oc_…`.
        web_domain: The domain of Lark's pages, such as feishu.cn, if it does not follow from `base_url`.
    """
    place = f"/client/chat/open?openChatId={quote(chat_id)}"
    return _get_site_url("applink", base_url, web_domain) + place if chat_id else ""


def make_bitable_url(base_url: str, app_token: str, table_id: str, web_domain: str = "") -> str:
    """Return the link that opens a table in the browser.

    Args:
        base_url: The URL of the API, such as https://open.feishu.cn.
        app_token: The base, or a link to it, which is returned unchanged.
        table_id: The table.
        web_domain: The domain of Lark's pages, such as feishu.cn, if it does not follow from `base_url`.
    """
    if "://" in app_token:
        return app_token
    return _get_site_url("www", base_url, web_domain) + f"/base/{quote(app_token)}?table={quote(table_id)}"


def make_sheet_url(base_url: str, token: str, web_domain: str = "") -> str:
    """Return the link that opens a spreadsheet in the browser.

    Args:
        base_url: The URL of the API, such as https://open.feishu.cn.
        token: The spreadsheet, or a link to it, which is returned unchanged.
        web_domain: The domain of Lark's pages, such as feishu.cn, if it does not follow from `base_url`.
    """
    return token if "://" in token else _get_site_url("www", base_url, web_domain) + f"/sheets/{quote(token)}"


def _get_site_url(site: str, base_url: str, web_domain: str) -> str:
    """Return the URL of one of Lark's sites.

    If the API is at `open.…`, the pages are on the same domain. Any other host, such as that of a private
    deployment, is assumed to serve them itself: a link to the public Lark would disclose ids of the
    deployment's documents.
    """
    url = urlsplit(base_url)
    host = url.hostname or ""
    domain = web_domain or (host.removeprefix("open.") if host.startswith("open.") else "")
    return f"https://{site}.{domain}" if domain else f"{url.scheme}://{url.netloc}"


class LarkChatLink(BaseOperatorLink):
    """Open the chat that got the message. Airflow requests the link when the task has ended."""

    name = "Lark chat"

    def get_link(self, operator: BaseOperator, *, ti_key: object) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the URL, or "" if the task sent nothing."""
        return str(getattr(operator, "chat_link", ""))


class LarkBitableLink(BaseOperatorLink):
    """Open the table that was written or read."""

    name = "Lark Bitable"

    def get_link(self, operator: BaseOperator, *, ti_key: object) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the URL, or "" if the task did not reach the table."""
        return str(getattr(operator, "bitable_link", ""))


class LarkSheetLink(BaseOperatorLink):
    """Open the spreadsheet that was written or read."""

    name = "Lark spreadsheet"

    def get_link(self, operator: BaseOperator, *, ti_key: object) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the URL, or "" if the task did not reach the spreadsheet."""
        return str(getattr(operator, "sheet_link", ""))
