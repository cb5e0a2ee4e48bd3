"""Read messages back."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from lark_provider.api.messaging.send import Message
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

_PAGE = 50
_YEAR_5138 = 10**11  # a larger number is probably in milliseconds by mistake


class MessageList(TypedDict):
    """The answer of `get`; a merged forward holds several messages."""

    items: list[Message]


def get(
    message_id: str, *, user_id_type: Literal["open_id", "union_id", "user_id"] = "open_id"
) -> Call[MessageList]:
    """Read a message.

    See GET /open-apis/im/v1/messages/:message_id.

    Args:
        message_id: The message, `om_…`.
        user_id_type: The kind of id by which people are named.

    Returns:
        `.data["items"]`, usually with one message. Cards are returned as they were sent.

    Raises:
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    params = {"user_id_type": user_id_type, "card_msg_content_type": "user_card_content"}
    return make_request(
        "GET", fill_path("/im/v1/messages/{message_id}", message_id=message_id), params=params
    )


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
        start_time: The beginning of the period, in seconds since the epoch; for chats only.
        end_time: The end of the period, in seconds since the epoch; for chats only.
        newest_first: Whether the newest messages come first; otherwise the oldest do.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        PermissionDeniedError: The bot is not in the chat.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not (isinstance(container_id, str) and container_id.strip()):
        raise InvalidRequestError(
            f"container_id must be a non-empty string, got {container_id!r}. Next: pass a chat (oc_…) or a "
            "thread (omt_…).",
            code=230001,
        )
    check_choice("container_id_type", container_id_type, ("chat", "thread"), 230001)
    if container_id_type == "thread" and (start_time, end_time) != (None, None):
        raise InvalidRequestError(
            "start_time and end_time must not be given for a thread. Next: leave them out, and filter the "
            "result.",
            code=230001,
        )
    _check_times(start_time, end_time)
    fixed = {
        "container_id_type": container_id_type,
        "container_id": container_id,
        "start_time": None if start_time is None else str(start_time),
        "end_time": None if end_time is None else str(end_time),
        "sort_type": "ByCreateTimeDesc" if newest_first else "ByCreateTimeAsc",
        "page_size": str(_PAGE),
    }

    def read_page(token: str | None) -> Procedure[Page[Message]]:
        call: Call[Any] = make_request(
            "GET", fill_path("/im/v1/messages"), params={**fixed, "page_token": token}
        )
        return Page.of((yield from perform(call)).data)

    return Listing(read_page)


def _check_times(start_time: int | None, end_time: int | None) -> None:
    for name, value in (("start_time", start_time), ("end_time", end_time)):
        if value is not None and not (type(value) is int and 0 <= value < _YEAR_5138):
            raise InvalidRequestError(
                f"{name} must be an int of seconds since the epoch, got {value!r}. Next: pass it as "
                "int(moment.timestamp()).",
                code=230001,
            )
    if start_time is not None and end_time is not None and end_time < start_time:
        raise InvalidRequestError(
            f"end_time must not be before start_time ({start_time}), got {end_time}. Next: exchange them.",
            code=230001,
        )
