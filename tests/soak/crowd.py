"""People who click at a steady pace, through a Lark that delivers each click once, and some of them twice."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import httpx

from lark_provider.callbacks.http.endpoint import FAILED, RECEIVED
from tests.protocol.callbacks import sender
from tests.soak.ledger import Click, Ledger, Outcome, Question

LARK_SECONDS = 3.0
OPEN_QUESTIONS = 40
_PEOPLE = tuple(f"ou_{number}" for number in range(5))
_AT_QUESTIONS, _RIGHT_PERSON, _TWICE = 0.4, 0.8, 0.1
_SECOND_PATH_SECONDS = 4.0
_OTHER_CARDS = 500


@dataclass(slots=True)
class Keys:
    """What Lark signs with; one and the same for all gateways."""

    encrypt_key: str
    verification_token: str


class Crowd:
    """Clicks on cards of questions that are open, and on others.

    Args:
        gateways: Their URLs. As a proxy does, a click goes to the next one where nothing listens.
        keys: May change at any time.
        ledger: Takes all of it.
        ask: Has a question wait.
        seed: Names the run.
    """

    def __init__(
        self, gateways: Sequence[str], keys: Keys, ledger: Ledger, ask: Callable[[Question], None], seed: int
    ) -> None:
        self._gateways, self._keys, self._ledger, self._ask = gateways, keys, ledger, ask
        self._random = Random(f"{seed}/crowd")  # noqa: S311 - no secret
        self._numbers = itertools.count()
        self._open: list[Question] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient

    async def click(self, rate: float, stop: asyncio.Event) -> None:
        """Click until told to stop, and see the answers of all clicks.

        Args:
            rate: Clicks a second, however slow the answers are.
            stop: Ends it.
        """
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        async with httpx.AsyncClient(timeout=LARK_SECONDS, limits=limits, trust_env=False) as self._client:
            begin = time.monotonic()
            for number in itertools.count():
                due = begin + number / rate
                await asyncio.sleep(due - time.monotonic())
                if stop.is_set():
                    break
                self._ledger.behind.append(max(0.0, time.monotonic() - due))
                task = asyncio.create_task(self._click())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            await asyncio.gather(*self._under_way)

    def _choose(self) -> tuple[str, str]:
        """Choose a card and the person who clicks on it; ask new questions if too few are open."""
        self._open = [question for question in self._open if question.decided is None]
        while len(self._open) < OPEN_QUESTIONS:
            number = len(self._ledger.questions)
            question = Question(f"question-{number}", f"om_{number}", self._random.choice(_PEOPLE))
            self._ledger.questions[question.key] = question
            self._open.append(question)
            self._ask(question)
        person = self._random.choice(_PEOPLE)
        if self._random.random() >= _AT_QUESTIONS:
            return f"om_other_{self._random.randrange(_OTHER_CARDS)}", person
        question = self._random.choice(self._open)
        is_right = self._random.random() < _RIGHT_PERSON
        return question.message_id, question.operator if is_right else person

    async def _click(self) -> None:
        message_id, operator = self._choose()
        event_id = f"click-{next(self._numbers):06}"
        content = sender.card(token=self._keys.verification_token, now=time.time())
        content["header"]["event_id"] = event_id
        content["event"]["context"]["open_message_id"] = message_id
        content["event"]["operator"] = {"open_id": operator}
        body = sender.seal_body(content, self._keys.encrypt_key)
        headers = sender.make_headers(body, self._keys.encrypt_key, timestamp=str(int(time.time())))
        click = Click(event_id, message_id, operator, time.monotonic())
        self._ledger.clicks[event_id] = click
        is_twice, pause = self._random.random() < _TWICE, self._random.uniform(0, _SECOND_PATH_SECONDS)
        click.outcomes.append(await self._deliver(body, headers))
        if is_twice:
            await asyncio.sleep(pause)
            click.outcomes.append(await self._deliver(body, headers))

    async def _deliver(self, body: bytes, headers: dict[str, str]) -> Outcome:
        try:
            async with asyncio.timeout(LARK_SECONDS):
                answer = await self._post(body, headers)
        except (httpx.TransportError, TimeoutError):
            return "unanswered"
        if answer.status_code in {401, 403, 404}:
            return "rejected"
        if answer.status_code != httpx.codes.OK or answer.content == FAILED:
            return "failed"
        return "accepted" if answer.content == RECEIVED else "other"

    async def _post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        *others, last = self._random.sample(self._gateways, len(self._gateways))
        for url in others:
            try:
                return await self._client.post(url, content=body, headers=headers)
            except httpx.ConnectError:
                continue
        return await self._client.post(last, content=body, headers=headers)
