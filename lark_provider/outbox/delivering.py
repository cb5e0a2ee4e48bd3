"""Deliver what is due in the outbox."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from lark_provider.outbox.apps import KnownApp, OutboxApps
from lark_provider.outbox.mentioning import send_with_mentions
from lark_provider.outbox.outgoing import Outgoing
from lark_provider.protocol.codes import CARD_GONE
from lark_provider.protocol.errors import (
    ConfigurationError,
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.outbox_rows import ClaimedRow, RowState, open_payload
from lark_provider.support import measured, threads
from lark_provider.support.backoff import pause_after
from lark_provider.support.environment import ENVIRONMENT, parse_flag
from lark_provider.support.once import Once
from lark_provider.support.throttle import Throttle

T = TypeVar("T")
logger = logging.getLogger(__name__)

REPLACE_VARIABLE = "LARK_OUTBOX_NEW_CARD"
_LEASE_SECONDS = 20.0
"""Added to the time for an attempt, so that it has ended before another process takes over."""
_ATTEMPT_SECONDS = 40.0
_DATABASE_SECONDS = 10.0
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_PATIENCE_SECONDS = 2.0
"""How long an attempt may take before messages of other apps are claimed beside it."""
_UNCERTAIN_SECONDS = 55 * 60.0
"""Lark recognizes a repeated key for an hour."""
_APP_CODES = range(99990000, 100000000)
"""Codes of Lark's gateway: they concern the app, such as a missing scope, if they name no id or field."""


def replaces_cards() -> bool:
    """Return whether one new card is sent for one that cannot be updated, by `LARK_OUTBOX_NEW_CARD`.

    Raises:
        ConfigurationError: It is neither yes nor no.
    """
    value = ENVIRONMENT.get(REPLACE_VARIABLE, "").strip().lower()
    replaces = parse_flag(value)
    if replaces is None:
        raise ConfigurationError(
            f"{REPLACE_VARIABLE} must be 1 or 0, got {value!r}. Next: unset it, or set it to 1 to send a new "
            "card for one that cannot be updated."
        )
    return replaces


class Deliverer:
    """Claims rows of the outbox and delivers them. For one event loop.

    Args:
        outbox: The outbox of the database.
        apps: The apps that this process can act for.
        seconds: How long an attempt may take, in seconds.
        replaces: Returns whether one new card is sent in place of one that cannot be updated; called each
            time. By default `LARK_OUTBOX_NEW_CARD` decides.
    """

    def __init__(
        self,
        outbox: Outbox,
        apps: OutboxApps,
        *,
        seconds: float = _ATTEMPT_SECONDS,
        replaces: Callable[[], bool] = replaces_cards,
    ) -> None:
        self._outbox, self._apps, self._seconds = outbox, apps, seconds
        self._me = uuid.uuid4().hex
        self._replaces = replaces
        self._uncertain, self._throttle = Once(), Throttle()
        self._in_flight: dict[asyncio.Future[None], str] = {}

    async def deliver_due(self, *, only: str | None = None) -> int:
        """Deliver rows that are due.

        Args:
            only: The one row, or the one card, to deliver.

        Returns:
            How many rows were tried.

        Raises:
            StorageError: The database cannot be used.
            TimeoutError: It does not answer.
            ConfigurationError: `LARK_OUTBOX_NEW_CARD` is needed, and invalid.
        """
        rows = await self._claim(self._apps.list_unknown(), only)
        results = await asyncio.gather(*(self._deliver(row) for row in rows), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(rows)

    async def begin_due(self) -> int:
        """Begin to deliver rows that are due, and wait some seconds for the attempts to end.

        While an app's attempts take longer, such as when its Lark is unreachable, no further rows of it are
        claimed: they would delay the messages of the other apps.

        Returns:
            How many rows were begun.

        Raises:
            StorageError: The database cannot be used, or could not be when an earlier attempt ended.
            TimeoutError: It does not answer, or did not.
            ConfigurationError: `LARK_OUTBOX_NEW_CARD` is needed, and invalid.
        """
        self._raise_failure()
        rows = await self._claim({*self._apps.list_unknown(), *self._in_flight.values()}, None)
        attempts: dict[asyncio.Future[None], str] = {
            asyncio.ensure_future(self._deliver(row)): row.app_id for row in rows
        }
        self._in_flight.update(attempts)
        if attempts:
            await asyncio.wait(attempts, timeout=_PATIENCE_SECONDS)
        self._raise_failure()
        return len(rows)

    async def finish(self) -> None:
        """Wait for all attempts that `begin_due` has begun; if this is cancelled, they are as well."""
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    def cancel(self) -> None:
        """Cancel all attempts that `begin_due` has begun. Another process makes them when the lease ends."""
        for attempt in self._in_flight:
            attempt.cancel()

    def _raise_failure(self) -> None:
        """Forget the attempts that have ended, up to the first that failed, and raise its error."""
        for attempt in [attempt for attempt in self._in_flight if attempt.done()]:
            del self._in_flight[attempt]
            attempt.result()

    async def _claim(self, without: Collection[str], only: str | None) -> list[ClaimedRow]:
        def claim() -> list[ClaimedRow]:
            seconds = self._seconds + _LEASE_SECONDS
            return self._outbox.claim(
                self._me, seconds, limit=self._outbox.batch_size, without=without, only=only
            )

        rows = await _in_thread(claim)
        self._throttle.flush()
        return rows

    async def read_state(self, row: str) -> RowState | None:
        """Return the state of a row; see `Outbox.read_state`."""
        return await _in_thread(lambda: self._outbox.read_state(row))

    async def _deliver(self, row: ClaimedRow) -> None:
        try:
            known = await self._apps.find(row.app_id, row.base_url)
        except LarkError as error:  # The registry is unavailable.
            await self._postpone(row, error, may_be_sent=False)
            return
        if known is None:
            await _in_thread(lambda: self._outbox.release(row, self._me))
            return
        text = open_payload(row, known.app)
        if text is None:
            # Another process may have the secret under which it is encrypted, so it is not given up here.
            reason = (
                "It is encrypted under another secret of the app, or was altered. Next: if the secret was "
                f"changed, `lark-provider outbox purge {row.id}`."
            )
            await self._postpone(row, LarkError(reason), may_be_sent=False, longest=True)
            return
        await self._attempt(row, known, Outgoing.from_json(text))

    async def _attempt(self, row: ClaimedRow, known: KnownApp, message: Outgoing) -> None:
        is_uncertain = row.was_sent and row.message_id is None and row.sent_seconds > _UNCERTAIN_SECONDS
        if is_uncertain and self._uncertain.mark_first(row.id):
            extra = {"row": row.id, "app": row.app_id, "sent_s": round(row.sent_seconds)}
            logger.warning("Outcome unknown for too long; a second message may appear", extra=extra)
        try:
            async with asyncio.timeout(self._seconds):
                message_id = await _send(row, known, message)
        except LarkAPIError as error:
            await self._handle_refusal(row, error)
        except (LarkError, TimeoutError) as error:
            await self._postpone(
                row, error, may_be_sent=isinstance(error, OutcomeUnknownError | TimeoutError)
            )
        else:
            await _in_thread(lambda: self._outbox.record_delivered(row, self._me, message_id))
            measured.OUTBOX_DELIVERED.add(row.app_id, "send" if row.message_id is None else "update")

    async def _handle_refusal(self, row: ClaimedRow, error: LarkAPIError) -> None:
        if row.message_id is not None and error.code in CARD_GONE and self._replaces():
            extra = {"row": row.id, "message_id": row.message_id, "code": error.code}
            logger.info("Card cannot be updated; sending a new one", extra=extra)
            await _in_thread(lambda: self._outbox.replace(row, self._me))
            return
        if error.retryable or _is_passing(error):
            await self._postpone(row, error, may_be_sent=False)
            return
        reason = str(error)
        await _in_thread(lambda: self._outbox.give_up(row, self._me, reason))
        measured.OUTBOX_GIVEN_UP.add(row.app_id, _label_refusal(error))
        extra = {"row": row.id, "app": row.app_id, "error": reason}
        logger.error("Message given up", extra=extra)

    async def _postpone(
        self, row: ClaimedRow, error: BaseException, *, may_be_sent: bool, longest: bool = False
    ) -> None:
        pause = _LAST_PAUSE if longest else pause_after(row.attempts + 1, _FIRST_PAUSE, _LAST_PAUSE)
        pause *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        reason = str(error) or "no answer in time"
        await _in_thread(lambda: self._outbox.postpone(row, self._me, reason, pause, may_be_sent=may_be_sent))
        extra = {"row": row.id, "app": row.app_id, "retry_in_s": round(pause), "error": reason}
        kind = row.id if longest else type(error).__name__  # The row's own next step has its id.
        self._throttle.log(
            logger.warning, "Message not delivered; retrying later", extra=extra, kind=(row.app_id, kind)
        )


def _is_passing(error: LarkAPIError) -> bool:
    """Return whether a refusal says nothing about the message, so that it may be taken later."""
    is_apps = error.code in _APP_CODES and not isinstance(error, NotFoundError | InvalidRequestError)
    return is_apps or not error.is_from_lark


def _label_refusal(error: LarkAPIError) -> str:
    """Return the label of a refusal."""
    if error.code in CARD_GONE:
        return "card_gone"
    if isinstance(error, NotFoundError | PermissionDeniedError):
        return "receiver"
    return "content" if isinstance(error, InvalidRequestError) else "refused"


async def _send(row: ClaimedRow, known: KnownApp, message: Outgoing) -> str:
    """Update the card of a row, or send its message, and return the message's id."""
    messaging = known.client.messaging

    async def perform(content: Any, mentions: tuple[str, ...]) -> str:
        if row.message_id is not None:
            await messaging.update_card(row.message_id, content)
            return row.message_id
        options: dict[str, Any] = {"receiver_id_type": message.receiver_type or None, "uuid": row.id[:32]}
        if message.msg_type in {"text", "post"}:
            options["mentions"] = mentions
        answer = await messaging.send(message.receiver, content, msg_type=message.msg_type, **options)  # type: ignore[arg-type]  # as it was recorded
        return str(answer.data["message_id"])

    return await send_with_mentions(known.client, message, perform)


async def _in_thread(work: Callable[[], T]) -> T:
    return await threads.run(work, _DATABASE_SECONDS)
