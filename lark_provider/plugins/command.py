"""`POST /lark/command`: a chat command, delivered by the bridge, performed as the person who typed it.

It is proven as a click is. Nothing is recorded here: a run's id is derived from that of the message, so that
a repeated delivery finds the run that the first one started.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lark_provider.plugins import identity, settings
from lark_provider.plugins.in_process import InProcess
from lark_provider.plugins.logs import get_logger
from lark_provider.plugins.running import describe, perform
from lark_provider.plugins.signed import RefusalLog, Refused, Turns, read_signed, receive_signed, send_result
from lark_provider.protocol.commands.delivery import (
    COMMAND_PATH,
    CommandOutcome,
    CommandResult,
    DeliveredCommand,
    read_delivered,
)
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.storage.people import People
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend

logger = get_logger(__name__)
_SECONDS, _PERSON_SECONDS = 30.0, 20.0


class Commands:
    """The endpoint for chat commands.

    Args:
        app: Airflow's own application.
        secrets: The secrets of the bridge.
        turns: Limits how many deliveries are processed at once.
    """

    def __init__(self, app: AsgiApplication, secrets: BridgeSecrets, turns: Turns) -> None:
        self._app, self._secrets, self._turns = app, secrets, turns
        self._refusals = RefusalLog(_log_unproven, _log_unreadable)

    async def serve(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer a request whose signature is not verified yet.

        Args:
            scope: The request.
            receive: Receives its body.
            send: Sends the answer.
        """
        self._refusals.flush()
        request = await receive_signed(scope, receive, send, self._secrets, COMMAND_PATH)
        if request is None:
            return
        command = read_signed(request, read_delivered, lambda delivered: delivered.message_id)
        if isinstance(command, Refused):
            self._refusals.note(request, command)
            await send_result(send, _make_result(command.outcome, command.reason))
            return
        with self._turns.take() as is_free:
            result = await self._decide(command) if is_free else _make_result("busy")
        await send_result(send, result)

    async def _decide(self, command: DeliveredCommand) -> CommandResult:
        began = time.monotonic()
        fields = {
            "app_id": command.app_id,
            "message_id": command.message_id,
            "open_id": command.open_id,
            "act": command.act,
            "dag_id": command.dag_id,
        }
        try:
            async with asyncio.timeout(_SECONDS):
                result = await self._perform(command)
        except Exception:  # If the run was started nevertheless, the next delivery finds it by its id.
            logger.exception("Command not performed; it can be delivered again", extra=fields)
            result = _make_result("unavailable")
        fields |= {"outcome": result.outcome, "seconds": str(round(time.monotonic() - began, 3))}
        if result.status == 200:  # noqa: PLR2004 - OK
            logger.info("Command performed for the person who typed it", extra=fields)
        else:
            logger.info("Command refused", extra=fields)
        return result

    async def _perform(self, command: DeliveredCommand) -> CommandResult:
        resolved = await threads.run(lambda: _resolve_person(command), _PERSON_SECONDS)
        if isinstance(resolved, identity.PersonRefusal):
            text = describe("unlinked") if resolved.link_url else dict(resolved.message)
            return CommandResult(resolved.outcome, text, link_url=resolved.link_url)
        async with InProcess(self._app, resolved.user) as airflow:
            return await perform(airflow, command, str(resolved.user.get_name()))


def _log_unproven(client: str, suppressed: int) -> None:
    fields = {"client": client, "suppressed": suppressed}
    logger.warning("Command with invalid signature rejected", extra=fields)


def _log_unreadable(reason: str) -> None:
    logger.error("Delivered command is unreadable", extra={"error": reason})


def _resolve_person(command: DeliveredCommand) -> identity.ActingUser | identity.PersonRefusal:
    """Return the user of Airflow that a person acts as, or why they may not. It blocks."""
    clicker = identity.Clicker(command.app_id, command.tenant_key, command.open_id, command.tenant_key)
    people = People(settings.DATABASE.read_url())
    return identity.Identities(people, settings=settings.PEOPLE.read).resolve(clicker)


def _make_result(outcome: CommandOutcome, reason: str = "") -> CommandResult:
    return CommandResult(outcome, describe(outcome, reason=reason))
