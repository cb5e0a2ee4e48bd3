"""Send a message that mentions people; those whom Lark does not let it mention are named instead."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from lark_provider.outbox.outgoing import Outgoing
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError, LarkError

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient

T = TypeVar("T")
logger = logging.getLogger(__name__)

SendContent: TypeAlias = Callable[[Any, tuple[str, ...]], Awaitable[T]]
"""Sends a content, at whose end a text or post mentions these ids."""


async def send_with_mentions(
    client: AsyncLarkServiceClient,
    message: Outgoing,
    send: SendContent[T],
    *,
    ignored: type[LarkError] = LarkAPIError,
) -> T:
    """Send a message, and once more without mentions if Lark rejects them.

    Args:
        client: Looks up the message's e-mail addresses.
        message: The message.
        send: Sends its content.
        ignored: An error of the lookup after which the message is sent nevertheless, with the addresses.

    Returns:
        What `send` returned.

    Raises:
        LarkError: What `send` raised, or the lookup failed otherwise.
    """
    open_ids = await _look_up_ids(client, message.emails, ignored)
    content, mentions = message.content, (*message.mentions, *open_ids.values())
    missing = [f"@{email}" for email in message.emails if email not in open_ids]
    if missing and isinstance(content, str):
        content = " ".join([content, *missing])
    try:
        return await send(content, tuple(dict.fromkeys(mentions)))
    except InvalidRequestError as error:
        if error.http_status is None or message.plain is None:
            raise
        # Lark refuses a whole card for one mention of a person who has left the tenant.
        fields = {"error": error.msg}
        logger.warning("Lark rejected the mentions; naming people without a mention", extra=fields)
        return await send(message.plain, ())


async def _look_up_ids(
    client: AsyncLarkServiceClient, emails: tuple[str, ...], ignored: type[LarkError]
) -> dict[str, str]:
    """Return open_ids by e-mail address; addresses that are not found are missing."""
    if not emails:
        return {}
    try:
        open_ids = await client.contact.find_by_email(list(emails))
    except ignored as error:
        fields = {"error": str(error)}
        logger.warning("User lookup failed; naming people without a mention", extra=fields)
        return {}
    return {email: open_id for email, open_id in open_ids.items() if open_id}
