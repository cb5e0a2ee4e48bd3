"""Read messages back."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from lark_provider.api.messaging.send import Message
from lark_provider.protocol.calls import Call, Listing, Page, Procedure, path, perform, request

_PAGE = 50


class Messages(TypedDict):
    """What `get` answers; a merged forward holds several."""

    items: list[Message]


def get(
    message_id: str, *, user_id_type: Literal["open_id", "union_id", "user_id"] = "open_id"
) -> Call[Messages]:
    """Read a message.

    See GET /open-apis/im/v1/messages/:message_id.

    Args:
        message_id: The message, `om_…`.
        user_id_type: Which ids people are named by.

    Returns:
        `.data["items"]`, usually of one. Cards come as they were sent.

    Raises:
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    params = {"user_id_type": user_id_type, "card_msg_content_type": "user_card_content"}
    return request("GET", path("/im/v1/messages/{message_id}", message_id=message_id), params=params)


def list_messages(
    container_id: str,
    *,
    container_id_type: Literal["chat", "thread"] = "chat",
    start_time: int | None = None,
    end_time: int | None = None,
    newest_first: bool = False,
) -> Listing[Message]:
    """List the messages of a chat or thread, over all pages.

    See GET /open-apis/im/v1/messages.

    Args:
        container_id: The chat, `oc_…`, or thread, `omt_…`.
        container_id_type: Which of them it is.
        start_time: Not before, in seconds since the epoch; for chats only.
        end_time: Not after, in seconds since the epoch; for chats only.
        newest_first: The order.

    Raises:
        PermissionDeniedError: The bot is not in the chat.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    fixed = {
        "container_id_type": container_id_type,
        "container_id": container_id,
        "start_time": None if start_time is None else str(start_time),
        "end_time": None if end_time is None else str(end_time),
        "sort_type": "ByCreateTimeDesc" if newest_first else "ByCreateTimeAsc",
        "page_size": str(_PAGE),
    }

    def page(token: str | None) -> Procedure[Page[Message]]:
        call: Call[Any] = request("GET", path("/im/v1/messages"), params={**fixed, "page_token": token})
        return Page.of((yield from perform(call)).data)

    return Listing(page)
