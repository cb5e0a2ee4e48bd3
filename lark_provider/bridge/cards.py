"""Send the cards of questions that are open, and update those of questions that are over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from lark_provider.api import card_life
from lark_provider.api.card_life import LiveCard
from lark_provider.api.cards import Card2
from lark_provider.api.cards.airflow import notices
from lark_provider.api.cards.airflow.ended import make_ended_card
from lark_provider.api.cards.airflow.question import make_question_card
from lark_provider.bridge.holds import Holds
from lark_provider.bridge.lark import BridgeClients, is_gone, is_lost
from lark_provider.bridge.receivers import Recipients
from lark_provider.bridge.settings import BridgeSettings
from lark_provider.outbox.delivering import replaces_cards
from lark_provider.protocol.errors import InvalidRequestError, LarkError
from lark_provider.protocol.hitl.keys import make_idempotency_key
from lark_provider.protocol.hitl.model import End
from lark_provider.storage.hitl_cards import ASKED_AGAIN, IN_PLACE, RESENT, ClaimedCard, QuestionCards
from lark_provider.storage.hitl_questions import Questions
from lark_provider.storage.hitl_rows import RecordedQuestion
from lark_provider.support import measured, threads
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

RENEW_AFTER = timedelta(days=13)
"""Lark updates a card, and sends clicks on it, for 14 days."""
_INVALID_MENTION = "100290"
"""Lark's code within 230099 for a card that mentions a person who is not there."""
_CARDS_AT_ONCE = 8
_MAX_BATCH = 4 * _CARDS_AT_ONCE


class QuestionCardSender:
    """Works on the cards of questions. For one event loop.

    Args:
        questions: The recorded questions.
        cards: The recorded cards of the questions.
        recipients: Decides who gets the cards of a question.
        apps: The Lark clients of the apps that send the cards.
        settings: The bridge's settings.
        holds: How long a card waits after its task began to wait.
        throttle: Limits warnings about what is tried again.
        replaces: Returns whether one new card is sent in place of one that cannot be updated; called each
            time.
    """

    def __init__(
        self,
        questions: Questions,
        cards: QuestionCards,
        recipients: Recipients,
        apps: BridgeClients,
        settings: BridgeSettings,
        holds: Holds,
        throttle: Throttle,
        replaces: Callable[[], bool] = replaces_cards,
    ) -> None:
        self._holds, self._replaces = holds, replaces
        self._questions, self._cards, self._recipients = questions, cards, recipients
        self._apps, self._settings, self._throttle = apps, settings, throttle
        self._turns = asyncio.Semaphore(_CARDS_AT_ONCE)

    async def release(self, now: datetime) -> int:
        """Open the questions whose hold is over, and record their cards as due.

        Args:
            now: By the clock of Airflow's server.

        Returns:
            How many cards are new.

        Raises:
            StorageError: The database cannot be used.
        """

        def release() -> int:
            before = now - timedelta(seconds=self._holds.read_seconds())
            return self._open(self._questions.list_held(before))

        return await threads.run(release)

    async def look_for_receivers(self) -> int:
        """Record cards for open questions that had no receiver, as when an assignee has linked meanwhile.

        Returns:
            How many cards are new.

        Raises:
            StorageError: The database cannot be used.
        """
        return await threads.run(
            lambda: self._open(self._questions.list_without_cards(), only_with_cards=True)
        )

    async def send_again(self) -> int:
        """Record new cards in place of those that soon take no more clicks.

        Returns:
            How many are new.

        Raises:
            StorageError: The database cannot be used.
        """
        return await threads.run(lambda: self._cards.send_again(RENEW_AFTER))

    async def work(self) -> bool:
        """Send and update cards, as many as are taken at once.

        Returns:
            Whether there may be more.

        Raises:
            StorageError: The database cannot be used.
        """
        claimed = await threads.run(lambda: self._cards.claim_due(_MAX_BATCH))
        await asyncio.gather(*(self._process(card) for card in claimed))
        return len(claimed) == _MAX_BATCH

    def _open(self, recorded: Mapping[str, RecordedQuestion], *, only_with_cards: bool = False) -> int:
        cards = self._recipients.make_cards(record.question for record in recorded.values())
        if only_with_cards:
            cards = {ti_id: new_cards for ti_id, new_cards in cards.items() if new_cards}
        return self._questions.open(cards) if cards else 0

    async def _process(self, card: ClaimedCard) -> None:
        async with self._turns:
            try:
                await self._perform(card)
            except LarkError as error:
                await self._record_failure(card, error)

    async def _perform(self, card: ClaimedCard) -> None:
        client = self._apps.get_client(card.card.app_id)
        if card.state == "due" and card.end is None:
            is_again = card.reason == ASKED_AGAIN
            notice = notices.describe_repeat(card.card.language) if is_again else ""
            await self._show_question(card, notice)
            return
        if card.state == "due" and not card.is_tried and card.reason != IN_PLACE:
            await threads.run(lambda: self._cards.record_closed(card.key, None, card.end))
            return
        ended = await client.perform(card_life.end(self._make_live_card(card), self._make_ended_card(card)))
        await threads.run(lambda: self._cards.record_closed(card.key, ended.shown, card.end))
        measured.BRIDGE_CARDS.add("closed")

    async def _show_question(
        self, card: ClaimedCard, notice: str, values: Mapping[str, object] | None = None
    ) -> LiveCard:
        """Show a question; once more without a notification of people if Lark rejects that.

        It refuses a whole card for one mention of a person who has left the tenant.
        """
        client, live = self._apps.get_client(card.card.app_id), self._make_live_card(card)
        try:
            return await client.perform(card_life.show(live, self._make_question_card(card, notice, values)))
        except InvalidRequestError as error:
            if _INVALID_MENTION not in error.msg or not card.card.mentions:
                raise
            fields = {"error": error.msg}
            logger.warning("Lark rejected the mentions; naming people without a mention", extra=fields)
            named = self._make_question_card(card, notice, values, notifies=False)
            return await client.perform(card_life.show(live, named))

    def _make_live_card(self, card: ClaimedCard) -> LiveCard:
        def record(sent: LiveCard) -> None:
            self._cards.record_sent(card.key, str(sent.message_id), sent.chat_id, str(sent.shown))
            measured.BRIDGE_CARDS.add("sent")

        how = {"receiver_id_type": card.card.receiver_type, "uuid": make_idempotency_key(card.key)}
        return LiveCard(card.card.receiver, record, how, card.message_id, shown=card.shown)

    def _make_question_card(
        self,
        card: ClaimedCard,
        notice: str,
        values: Mapping[str, object] | None,
        *,
        notifies: bool = True,
    ) -> Card2:
        return make_question_card(
            card.question,
            key=card.key,
            language=card.card.language,
            mentions=card.card.mentions,
            timezone=self._settings.timezone,
            notice=notice,
            values=values,
            notifies=notifies,
        )

    def _make_ended_card(self, card: ClaimedCard) -> Card2:
        end = card.end or End("withdrawn", detail=RESENT)
        return make_ended_card(
            card.question,
            end,
            language=card.card.language,
            timezone=self._settings.timezone,
            ask_again_key=card.key if end.kind == "failed" else None,
        )

    async def notice(self, card: ClaimedCard, text: str, values: dict[str, object] | None) -> bool:
        """Show a notice on a card that is open still.

        Args:
            card: The card.
            text: The notice, in its language.
            values: What was entered in its form, to be shown again.

        Returns:
            Whether it was shown: not on a card that is closed now, or that is worked on.

        Raises:
            LarkError: Lark refuses it, or is unavailable.
        """
        # Taken first: a card that is closed at this moment would show the question again, and stay so.
        if not await threads.run(lambda: self._cards.claim_open(card.key)):
            return False
        try:
            live = await self._show_question(card, text, values)
            await threads.run(lambda: self._cards.record_shown(card.key, live.shown))
        except LarkError:
            await threads.run(lambda: self._cards.record_shown(card.key, None))
            raise
        measured.BRIDGE_CARDS.add("updated")
        return True

    async def _record_failure(self, card: ClaimedCard, error: LarkError) -> None:
        fields = {"ti_id": card.card.ti_id, "app_id": card.card.app_id, "card": card.key, "error": str(error)}
        if card.message_id is not None and is_gone(error) and self._replaces():
            await threads.run(lambda: self._cards.replace(card.key, str(error)))
            logger.info("Card of a question cannot be updated; sending a new one", extra=fields)
            return
        if is_lost(error, card.age):
            await threads.run(lambda: self._cards.give_up(card.key, str(error)))
            measured.BRIDGE_CARDS.add("given_up")
            logger.error("Card of a question given up", extra=fields)
            return
        pause = await threads.run(lambda: self._cards.postpone(card.key, card.age, str(error)))
        self._throttle.log(
            logger.warning,
            "Card of a question not shown; will retry",
            extra=fields | {"retry_in_s": f"{pause:.1f}"},
            kind=(card.card.app_id, type(error).__name__),
        )
