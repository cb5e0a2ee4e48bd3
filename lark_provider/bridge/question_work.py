"""The bridge's work on questions of Airflow: their cards, clicks on all cards, and the outcome of these."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.audit_log import AuditLog
from lark_provider.bridge.cards import QuestionCardSender
from lark_provider.bridge.clicks import ClickDelivery
from lark_provider.bridge.holds import Holds
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.question_ends import QuestionEnds
from lark_provider.bridge.questions import QuestionPoller
from lark_provider.bridge.receivers import Receivers, Recipients
from lark_provider.bridge.results import ClickResultDisplay, OtherResult
from lark_provider.bridge.servers import SERVERS_SECONDS, ApiServerWatch
from lark_provider.bridge.settings import BridgeSettings
from lark_provider.bridge.steps import BridgeStep
from lark_provider.bridge.teams import check_teams
from lark_provider.storage.api_servers import ApiServers
from lark_provider.storage.applied_clicks import AppliedClicks
from lark_provider.storage.hitl_cards import QuestionCards
from lark_provider.storage.hitl_questions import Questions
from lark_provider.storage.people import People
from lark_provider.support import measured, meters, threads
from lark_provider.support.throttle import Throttle

_CLICK_SECONDS, _CARD_SECONDS, _AUDIT_SECONDS, _SLOW_SECONDS = 0.5, 1.0, 15.0, 30.0
_WATCH_SECONDS = 300.0
"""A state mismatch is reported soon after the answer: when the executor reports the end of the process."""


class QuestionWork:
    """The work on questions and on clicks.

    Args:
        api: Airflow.
        apps: The clients of Lark.
        app_id: The app that sends where a route names none.
        database: The database, as `storage.urls.database` returns it.
        settings: The settings.
        routes: The routes.
        throttle: Limits the rate of repeated warnings.
        others: Shows the results of clicks on cards that are not of questions.
    """

    def __init__(
        self,
        *,
        api: AirflowApi,
        apps: BridgeClients,
        app_id: str,
        database: Any,
        settings: BridgeSettings,
        routes: Receivers,
        throttle: Throttle,
        others: OtherResult | None,
    ) -> None:
        self._api, self._settings, self._servers = api, settings, ApiServers(database)
        self._questions, self._cards = Questions(database, settings.team), QuestionCards(database)
        self._clicks = AppliedClicks(database)
        self._log = AuditLog(self._api, self._questions)
        ends = QuestionEnds(self._api, self._questions, self._log)
        self._poller = QuestionPoller(self._api, self._questions, ends, settings)
        self._sender = QuestionCardSender(
            self._questions,
            self._cards,
            Recipients(routes, People(database), app_id, settings.language),
            apps,
            settings,
            Holds(self._servers, settings.hold_seconds),
            throttle,
            routes.replaces_lost,
        )
        self._delivery = ClickDelivery(self._api, self._clicks, settings.secrets, throttle)
        self._display = ClickResultDisplay(
            store=self._clicks,
            questions=self._questions,
            cards=self._cards,
            servers=self._servers,
            ends=ends,
            sender=self._sender,
            delivery=self._delivery,
            apps=apps,
            throttle=throttle,
            others=others,
            language=settings.language,
        )
        self._cards_wanted = asyncio.Event()
        self._is_checked = False

    def list_steps(self) -> Sequence[BridgeStep]:
        """Return what is repeated."""
        return (
            BridgeStep("poll", self._settings.poll_seconds, self._poll, is_alone=True),
            BridgeStep(
                "audit", _AUDIT_SECONDS, lambda: self._log.watch_answered(_WATCH_SECONDS), is_alone=True
            ),
            BridgeStep("renewal", _SLOW_SECONDS, self._renew_cards, is_alone=True),
            BridgeStep("servers", SERVERS_SECONDS, ApiServerWatch(self._servers).check, is_alone=True),
            BridgeStep("release", _CARD_SECONDS, self._release, is_alone=True),
            BridgeStep("cards", _CARD_SECONDS, self._sender.work, wanted=self._cards_wanted),
            BridgeStep("clicks", _CLICK_SECONDS, self._deliver),
            BridgeStep("results", _CLICK_SECONDS, self._show),
            BridgeStep("metrics", _AUDIT_SECONDS, self._measure),
        )

    async def _poll(self) -> None:
        if not self._is_checked:
            await check_teams(self._api, self._settings.team)
            self._is_checked = True
        await self._poller.poll()
        measured.BRIDGE_POLLS.add("questions")

    async def _release(self) -> None:
        if await self._sender.release(self._api.now()):
            self._cards_wanted.set()

    async def _renew_cards(self) -> None:
        count = await self._sender.look_for_receivers()
        if await self._sender.send_again() + count:
            self._cards_wanted.set()

    async def _deliver(self) -> bool:
        await self._delivery.find()
        return await self._delivery.work() > 0

    async def _show(self) -> None:
        if await self._display.work():
            self._cards_wanted.set()

    async def _measure(self) -> None:
        if not meters.sinks:
            return
        counts = await threads.run(self._questions.count_by_state)
        for state, count in counts.items():
            measured.BRIDGE_QUESTIONS.set(count, state)
        measured.BRIDGE_CARDS_DUE.set(await threads.run(self._cards.count_due))
        measured.BRIDGE_CLICKS_DUE.set(await threads.run(self._clicks.count_due))
