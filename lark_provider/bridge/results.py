"""Show people the outcome of their clicks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson

from lark_provider.api.cards.airflow import notices
from lark_provider.bridge.cards import QuestionCardSender
from lark_provider.bridge.clicks import ClickDelivery
from lark_provider.bridge.lark import BridgeClients, is_lost, is_unusable
from lark_provider.bridge.question_ends import QuestionEnds
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError, LarkError
from lark_provider.protocol.hitl.delivery import ClickResult, read_result
from lark_provider.protocol.hitl.keys import make_idempotency_key
from lark_provider.protocol.language import Language
from lark_provider.storage.api_servers import ApiServers
from lark_provider.storage.applied_clicks import AppliedClicks, ClickOutcome
from lark_provider.storage.hitl_cards import ClaimedCard, QuestionCards
from lark_provider.storage.hitl_questions import Questions
from lark_provider.support import threads
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

READ_BACK_SECONDS = 0.3
"""An API server without the guard may replace an answer for so long after it has said 200."""
_LEASE_SECONDS, _MAX_BATCH = 60.0, 32

OtherResult = Callable[[ClickOutcome, ClickResult], Awaitable[bool]]
"""Shows the result of a click on a card that is not a question's; returns whether it was one of its cards."""


class ClickResultDisplay:
    """Shows results. For one event loop.

    Args:
        store: The recorded clicks.
        questions: The recorded questions.
        cards: The recorded cards of the questions.
        servers: The API servers, and whether each is guarded.
        ends: Reads back the outcome of a question.
        sender: Updates cards.
        delivery: Holds the results with links that are not recorded.
        apps: The Lark clients of the apps that send the cards.
        throttle: Limits repeated warnings.
        others: Shows the results of clicks on other cards, such as those of failures.
        language: The language of results whose card has none: `zh` or `en`.
    """

    def __init__(
        self,
        store: AppliedClicks,
        questions: Questions,
        cards: QuestionCards,
        servers: ApiServers,
        ends: QuestionEnds,
        sender: QuestionCardSender,
        delivery: ClickDelivery,
        apps: BridgeClients,
        throttle: Throttle,
        others: OtherResult | None = None,
        language: Language = "zh",
    ) -> None:
        self._store, self._questions, self._cards, self._servers = store, questions, cards, servers
        self._ends, self._sender, self._delivery, self._apps = ends, sender, delivery, apps
        self._throttle, self._others, self._language = throttle, others, language

    async def work(self) -> bool:
        """Show results that were not shown yet.

        Returns:
            Whether a question ended by one of them.

        Raises:
            StorageError: The database cannot be used.
        """
        applied = await threads.run(lambda: self._store.claim_unshown(_MAX_BATCH, _LEASE_SECONDS))
        if not applied:
            return False
        keys = {outcome.card for outcome in applied}
        cards = {card.key: card for card in await threads.run(lambda: self._cards.read(keys))}
        shown = await asyncio.gather(
            *(self._show_result(outcome, cards.get(outcome.card)) for outcome in applied)
        )
        return any(shown)

    async def _show_result(self, applied: ClickOutcome, card: ClaimedCard | None) -> bool:
        fields = {"app_id": applied.app_id, "event_id": applied.event_id, "card": applied.card}
        has_ended = False
        try:
            result = self._get_result(applied)
            if card is not None:
                has_ended = await self._show_on_card(applied, result, card)
            elif self._others is None or not await self._others(applied, result):
                await self._tell(applied, result, self._language)
        except LarkError as error:
            is_final = is_lost(error, applied.age) or is_unusable(error, applied.age)
            if not is_final and not _is_unreachable(applied, error):
                self._warn(fields, error)
                return has_ended
            logger.error(  # noqa: TRY400 - the text says it all
                "Result of a click cannot be shown", extra=fields | {"error": str(error)}
            )
        await threads.run(lambda: self._store.record_shown(applied.app_id, applied.event_id))
        return has_ended

    def _warn(self, fields: dict[str, str], error: LarkError) -> None:
        kind = (fields["app_id"], type(error).__name__)
        self._throttle.log(
            logger.warning,
            "Result of a click not shown; will retry",
            extra=fields | {"error": str(error)},
            kind=kind,
        )

    def _get_result(self, applied: ClickOutcome) -> ClickResult:
        in_memory = self._delivery.results.get((applied.app_id, applied.event_id))
        return in_memory or read_result(orjson.dumps(applied.result).decode())

    async def _show_on_card(self, applied: ClickOutcome, result: ClickResult, card: ClaimedCard) -> bool:
        """Show the result of a click on a question's card, and return whether the question is over by it."""
        if result.outcome in {"answered", "already_answered", "superseded", "over"}:
            is_over = await self._record_end(result, card.card.ti_id)
            if result.outcome != "answered" and (card.end is not None or not is_over):
                # The card showed its end already when it was clicked, as one that a client had not updated;
                # or it will not show one soon.
                await self._tell(applied, result, card.card.language)
            return is_over
        if result.outcome == "invalid" and card.end is None:
            text = _notice(applied, result, card)
            # What was entered may be more than a card can show again.
            with suppress(InvalidRequestError):
                if await self._sender.notice(card, text, await self._read_form_values(applied)):
                    return False
        if result.outcome not in {"retried", "noted"}:
            await self._tell(applied, result, card.card.language)
        return False

    async def _record_end(self, result: ClickResult, ti_id: str) -> bool:
        """Record how a question ended, and return whether it is over."""
        end = result.end
        is_certain = end is not None and await threads.run(self._servers.are_all_guarded)
        if end is not None and (is_certain or end.kind != "answered"):
            await threads.run(lambda: self._questions.end({ti_id: end}))
            return True
        # Without the guard another answer may have replaced this one: what counts is what Airflow has.
        await asyncio.sleep(READ_BACK_SECONDS)
        return bool(await self._ends.settle([ti_id]))

    async def _read_form_values(self, applied: ClickOutcome) -> dict[str, Any] | None:
        click = await threads.run(lambda: self._store.find_click(applied.app_id, applied.event_id))
        return None if click is None else click.action.form_value

    async def _tell(self, applied: ClickOutcome, result: ClickResult, language: str) -> None:
        """Tell only the person who clicked: the link is theirs alone."""
        link = result.link_url
        if result.outcome == "unlinked" and link is None:
            link = await self._renew_link(applied)
        text = _format_message(result, language) + (f"\n{link}" if link else "")
        await self._apps.get_client(applied.app_id).messaging.send_text(
            applied.open_id,
            text,
            receiver_id_type="open_id",
            uuid=make_idempotency_key(applied.card, "result", applied.event_id),
        )

    async def _renew_link(self, applied: ClickOutcome) -> str | None:
        """Return a new link: the one of the result was lost with the process that had it."""
        recorded = await threads.run(lambda: self._store.find_recorded(applied.app_id, applied.event_id))
        if recorded is None:
            return None
        _, result = await self._delivery.deliver(recorded)
        return None if result is None else result.link_url


def _is_unreachable(applied: ClickOutcome, error: LarkError) -> bool:
    """Return whether a person of another company clicked, to whom the app cannot write."""
    is_refused = isinstance(error, LarkAPIError) and not error.retryable
    return is_refused and applied.result.get("outcome") == "foreign_tenant"


def _notice(applied: ClickOutcome, result: ClickResult, card: ClaimedCard) -> str:
    language = card.card.language
    if result.errors:
        return notices.describe_invalid(card.question, applied.open_id, result.errors, language)
    return notices.describe_refusal(applied.open_id, result.message, language)


def _format_message(result: ClickResult, language: str) -> str:
    message = result.message.get(language) or result.message.get("en") or result.outcome
    return "\n".join([message, *(f"{name}: {error}" for name, error in result.errors.items())])
