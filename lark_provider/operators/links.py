"""The import path under which Airflow registers the links of `lark_provider.hooks.links`."""

from __future__ import annotations

from lark_provider.hooks.links import (
    LarkBitableLink,
    LarkChatLink,
    LarkSheetLink,
    make_bitable_url,
    make_chat_url,
    make_sheet_url,
)

__all__ = [
    "LarkBitableLink",
    "LarkChatLink",
    "LarkSheetLink",
    "make_bitable_url",
    "make_chat_url",
    "make_sheet_url",
]
