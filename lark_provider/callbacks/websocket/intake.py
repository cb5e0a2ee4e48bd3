"""Parse, deduplicate, store and acknowledge a delivery."""

from __future__ import annotations

import asyncio
import logging

import orjson

from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.http.endpoint import UNAVAILABLE
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.websocket.dedup import StoredEvents
from lark_provider.protocol.callbacks import CallbackRefusedError, Delivery, Event, get_kind, read
from lark_provider.protocol.callbacks.read import assign_app
from lark_provider.support import measured
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

NOTE_SECONDS = 0.3
"""How much later than the gateway's deadline of 2.5 s an event may be answered; Lark waits 3 s."""
_OK = 200


class Intake:
    """Takes the deliveries of all apps.

    Args:
        gateway: Stores and answers deliveries.
        stored: The record of the events that were stored, by which repeats are recognized.
        throttle: Limits the number of log lines.
    """

    def __init__(self, gateway: Gateway, stored: StoredEvents, throttle: Throttle) -> None:
        self._gateway, self._stored, self._throttle = gateway, stored, throttle

    async def take(self, app_id: str, payload: bytes, began: float, is_leaving: bool) -> Answer:
        """Store a delivery and answer it; an answer other than 200 has Lark repeat an event.

        Args:
            app_id: The app whose connection brought it.
            payload: JSON, in plain text.
            began: When it came, by the event loop's clock.
            is_leaving: Whether it is rejected, since the connection is about to be closed.
        """
        try:
            delivery = parse(app_id, payload)
        except (CallbackRefusedError, orjson.JSONDecodeError) as error:
            word = error.reason if isinstance(error, CallbackRefusedError) else "unreadable"
            measured.REJECTED.add(app_id, word)
            self._warn(app_id, error)
            return UNAVAILABLE
        if is_leaving:
            measured.RECEIVED.add(app_id, get_kind(delivery))
            measured.NOT_STORED.add(app_id, get_kind(delivery))
            return self._gateway.endpoint.answer_not_stored(delivery)
        deadline = began + self._gateway.deadline
        if not isinstance(delivery, Event):
            return await self._gateway.accept(delivery, deadline)
        if await self._stored.has(delivery):
            extra = {"app_id": app_id, "event_id": delivery.event_id}
            measured.RECEIVED.add(app_id, "event")
            measured.DUPLICATES.add("listener")
            logger.info("Repeated event ignored", extra=extra)
            return self._gateway.endpoint.answer_stored(delivery)
        answer = await self._gateway.accept(delivery, deadline)
        if answer.status == _OK:
            await self._stored.note(delivery, max(deadline, asyncio.get_running_loop().time()) + NOTE_SECONDS)
        return answer

    def _warn(self, app_id: str, error: Exception) -> None:
        self._throttle.log(
            logger.warning,
            "Unreadable delivery rejected",
            extra={"app_id": app_id, "error": str(error)},
            kind=app_id,
        )


def parse(app_id: str, payload: bytes) -> Delivery:
    """Read the JSON of a delivery.

    Args:
        app_id: The app whose connection brought it.
        payload: The JSON. Nothing in it has to be proven: this side opened the connection, with the secret.

    Raises:
        CallbackRefusedError: It is neither a click nor an event, or it is another app's.
        orjson.JSONDecodeError: It is not JSON.
    """
    content = orjson.loads(payload)
    if not isinstance(content, dict):
        raise CallbackRefusedError(
            f"The delivery is not a JSON object but of type {type(content).__name__}. Next: if Lark sent it, "
            "report it."
        )
    holder = content.get("header") if "schema" in content else content
    if isinstance(holder, dict):
        holder.pop("token", None)  # It verifies requests to a callback URL, and must not be stored.
    delivery = read(content)
    if delivery.app_id not in {None, "", app_id}:
        raise CallbackRefusedError(
            f"The delivery is for app {delivery.app_id!a:.80}, but came by the connection of app {app_id}. "
            "Next: if Lark sent it, report it.",
            reason="other_app",
        )
    return assign_app(delivery, app_id)
