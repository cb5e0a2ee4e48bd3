"""Answer clicks on the card of a question that is over: say so, and withdraw the card.

The cards of Airflow's own questions are withdrawn by the bridge.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from lark_provider.api.cards.airflow import ended
from lark_provider.api.cards.outcome import describe_outcome, make_outcome_card
from lark_provider.callbacks.http.answers import toast
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.keys import get_card_key
from lark_provider.protocol.hitl.model import End
from lark_provider.protocol.questions import TaskQuestion
from lark_provider.protocol.waits import get_correlation
from lark_provider.support import threads
from lark_provider.support.batches import Batches
from lark_provider.support.throttle import Throttle

if TYPE_CHECKING:
    from lark_provider.storage.waits import Waits


class AirflowCard(Protocol):
    """The card of one of Airflow's questions, and how the question ended."""

    @property
    def app_id(self) -> str:
        """The app that sent it."""

    @property
    def end(self) -> End | None:
        """How the question ended, if it has."""

    @property
    def is_earlier(self) -> bool:
        """Whether the task has asked once more since the card was recorded."""


logger = logging.getLogger(__name__)

LOOKUP_TIMEOUT_SECONDS = 0.3
"""How long an answer may wait for the look; without one it is what it would be without a database."""
_UNAVAILABLE_SECONDS = 5.0

LookupResults: TypeAlias = "dict[str, tuple[TaskQuestion, list[CardClick]] | AirflowCard]"
ReadCards: TypeAlias = "Callable[[Iterable[str]], Mapping[str, AirflowCard]]"


class QuestionLookup:
    """Looks up the questions of clicks: those of all clicks that come meanwhile with one query, in a thread.

    One query runs at a time, so that a frozen database holds one thread.
    Only questions whose cards are made here are looked up: their buttons carry the question's id.

    Args:
        waits: The questions of our own operators.
        cards: Reads cards of questions of Airflow's by their keys.
        seconds: How long an answer may wait.
    """

    def __init__(self, waits: Waits, cards: ReadCards, *, seconds: float = LOOKUP_TIMEOUT_SECONDS) -> None:
        self._waits, self._cards, self._seconds = waits, cards, seconds
        self._looks = Batches(self._look)
        self._unavailable_until = float("-inf")
        self._throttle = Throttle()

    async def answer(self, click: CardClick, deadline: float) -> bytes | None:
        """Return the answer to a click on a question that is over.

        Args:
            click: The click; it is stored.
            deadline: By the event loop's clock.

        Returns:
            The body of the answer; None if the question is open, is another app's, or is not known in time.
        """
        key = get_correlation(click)
        loop = asyncio.get_running_loop()
        if key is None or click.is_old or not _is_ours(key) or loop.time() < self._unavailable_until:
            return None
        end = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(min(deadline, end)):
                result = (await self._looks.join(key)).get(key)
        except Exception as error:  # noqa: BLE001 - the click is stored; its answer must not depend on this
            # A handler may have taken the time, which tells nothing about the database.
            if deadline >= end or not isinstance(error, TimeoutError):
                self._note_unavailable(error, loop.time())
            return None
        if result is None:
            return None
        return _answer(click, *result) if isinstance(result, tuple) else _make_airflow_answer(click, result)

    async def _look(self, keys: list[str]) -> LookupResults:
        return await threads.run(partial(self._read, set(keys)))

    def _read(self, keys: Iterable[str]) -> LookupResults:
        of_cards = {key: card for key in keys if (card := get_card_key(key)) is not None}
        cards = self._cards(of_cards.values()) if of_cards else {}
        results: LookupResults = {key: cards[card] for key, card in of_cards.items() if card in cards}
        if wait_ids := [key for key in keys if key not in of_cards]:
            questions = self._waits.read(wait_ids, after_writers=True)
            clicks = self._waits.read_decisions(
                [question for question in questions.values() if question.state == "decided"]
            )
            results |= {
                question.id: (question, clicks.get(question.id, [])) for question in questions.values()
            }
        return results

    def _note_unavailable(self, error: Exception, now: float) -> None:
        self._unavailable_until = now + _UNAVAILABLE_SECONDS
        self._throttle.log(
            logger.warning,
            "Question state unknown; answered without it",
            extra={"error": repr(error)},
        )


def _is_ours(key: str) -> bool:
    if get_card_key(key) is not None:
        return True
    try:
        return str(uuid.UUID(key)) == key
    except ValueError:
        return False


def _make_airflow_answer(click: CardClick, card: AirflowCard) -> bytes | None:
    end = End("superseded") if card.is_earlier else card.end
    if end is None or card.app_id != click.app_id:
        return None
    words = ended.describe_end(end)
    return toast("info", f"{words['zh_cn']} / {words['en_us']}", words)


def _answer(click: CardClick, question: TaskQuestion, deciding: list[CardClick]) -> bytes | None:
    if question.app_id != click.app_id or not question.is_ours:
        return None  # The operator of another app must not see the question of this one.
    if question.state == "open":
        if question.deadline is None or click.created_at <= question.deadline:
            return None
    elif question.state == "decided" and click.event_id in {decision.event_id for decision in deciding}:
        return None
    decided = deciding[0] if deciding else None
    words = describe_outcome(question, decided)
    said = f"{words['zh_cn']} / {words['en_us']}"
    if question.state == "decided" and decided is None:
        return toast("info", said, words)  # The click is deleted, and with it what the card would show.
    try:
        return toast("info", said, words, card=make_outcome_card(question, decided))
    except InvalidRequestError:
        return toast("info", said, words)
