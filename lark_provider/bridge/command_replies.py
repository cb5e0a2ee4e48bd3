"""Answer chat commands in their threads; each answer is recorded before it is sent, and sent once."""

from __future__ import annotations

import asyncio
import logging

from lark_provider.bridge.command_texts import defuse_mentions, format_text
from lark_provider.bridge.lark import BridgeClients, is_lost, is_unusable
from lark_provider.bridge.routes import RoutesFile
from lark_provider.protocol.errors import LarkAPIError, LarkError, PermissionDeniedError
from lark_provider.protocol.hitl.keys import make_idempotency_key
from lark_provider.storage.chat_commands import ChatCommands, ClaimedCommand
from lark_provider.support import threads
from lark_provider.support.backoff import pause_after
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

_NO_THREAD = (230071, 230072)
"""The chat has no threads, or the message takes none: it is answered below the message."""
_LEASE_SECONDS, _MAX_BATCH, _FIRST_PAUSE, _MAX_PAUSE = 60.0, 16, 0.5, 30.0


class CommandReplies:
    """Sends answers. For one event loop.

    Args:
        store: The commands.
        apps: The apps whose bots answer.
        routes: Says in which language.
        throttle: Limits warnings about what is tried again.
    """

    def __init__(
        self, store: ChatCommands, apps: BridgeClients, routes: RoutesFile, throttle: Throttle
    ) -> None:
        self._store, self._apps, self._routes, self._throttle = store, apps, routes, throttle
        self._bots: dict[str, str] = {}

    async def read_bot_id(self, app_id: str) -> str:
        """Return the open_id of an app's bot.

        Args:
            app_id: The app.

        Raises:
            LarkError: Lark cannot be asked.
        """
        if app_id not in self._bots:
            response = await self._apps.get_client(app_id).bot.info()
            self._bots[app_id] = str(response.data["bot"]["open_id"])
        return self._bots[app_id]

    async def work(self) -> bool:
        """Send the answers that are due, and return whether there were any."""
        commands = await threads.run(
            lambda: self._store.claim(("decided", "ended"), _MAX_BATCH, _LEASE_SECONDS)
        )
        await asyncio.gather(*(self._answer(claimed) for claimed in commands))
        return bool(commands)

    async def send_link(self, claimed: ClaimedCommand, url: str) -> None:
        """Send a person the link to link themselves; no one else gets it, since its holder acts for them.

        Args:
            claimed: The person's command.
            url: The link.

        Raises:
            LarkError: It was not sent, and can be later.
        """
        message = claimed.message
        try:
            await self._apps.get_client(message.app_id).messaging.send_text(
                message.open_id,
                format_text("link", self._routes.read_current().language, url=url),
                receiver_id_type="open_id",
                uuid=make_idempotency_key(message.message_id, "link", message.app_id),
            )
        except LarkError as error:
            if isinstance(error, LarkAPIError) and (
                isinstance(error, PermissionDeniedError) or not error.retryable
            ):
                fields = claimed.log_fields | {"error": str(error)}
                logger.error("Link not sent to the person who typed a command", extra=fields)  # noqa: TRY400
                return
            raise

    async def _answer(self, claimed: ClaimedCommand) -> None:
        problem = None
        try:
            await self._reply(claimed)
        except LarkError as error:
            if not (is_lost(error, claimed.changed_ago) or is_unusable(error, claimed.changed_ago)):
                await self._postpone(claimed, error)
                return
            problem = str(error)
            fields = claimed.log_fields | {"error": problem}
            logger.error("Chat command cannot be answered", extra=fields)  # noqa: TRY400 - the text says it all
        await threads.run(lambda: self._store.record_answered(claimed, problem))

    async def _postpone(self, claimed: ClaimedCommand, error: LarkError) -> None:
        pause = pause_after(claimed.attempts, _FIRST_PAUSE, _MAX_PAUSE)
        fields = claimed.log_fields | {"error": str(error), "retry_in_s": round(pause, 1)}
        self._throttle.log(
            logger.warning,
            "Chat command not answered; will retry",
            extra=fields,
            kind=(claimed.message.app_id, type(error).__name__),
        )
        await threads.run(lambda: self._store.postpone(claimed, pause))

    async def _reply(self, claimed: ClaimedCommand) -> None:
        message = claimed.message
        messaging = self._apps.get_client(message.app_id).messaging
        key = make_idempotency_key(message.message_id, claimed.state, message.app_id)
        text = defuse_mentions(claimed.text)
        if message.is_direct:
            await messaging.reply(message.message_id, text, uuid=key)
            return
        try:
            await messaging.reply(message.message_id, text, in_thread=True, uuid=key)
        except LarkAPIError as error:
            if error.code not in _NO_THREAD:
                raise
            await messaging.reply(message.message_id, text, uuid=key)
