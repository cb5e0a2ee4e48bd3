"""One run, from the first process to the report."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.services import rabbitmq
from tests.services.processes import descendants
from tests.soak import metered, plan, report
from tests.soak.approvals import Approvals
from tests.soak.chaos import Chaos
from tests.soak.crowd import Crowd
from tests.soak.ledger import P99_SECONDS, Ledger, Violation
from tests.soak.plan import WAITER
from tests.soak.site import Site
from tests.soak.watching import Watcher

INTERRUPTED = 130
_SETTLE_SECONDS = 60.0
_LOOK_SECONDS, _TRIM_SECONDS = 0.1, 2.0
_THREADS = 32  # a process that starts, or a server that is frozen, holds one


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is told.

    Attributes:
        seconds: For how long people click.
        seed: Names the run.
        rate: Clicks a second.
        rotate: Whether callback keys are rotated.
        cut: Whether a pump is cut off from its database.
        airflow: Whether DAG files are edited, in a phase of its own.
        limit: Seconds; p99 outside the freezes has to be below it.
    """

    seconds: float
    seed: int
    rate: float = 50.0
    rotate: bool = True
    cut: bool = True
    airflow: bool = True
    limit: float = P99_SECONDS


class Run:
    """A run.

    Args:
        settings: What it is told.
        say: Takes lines of text, as it goes.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._ledger, self._timeline, self._more = Ledger(settings.limit), list[str](), list[str]()
        self._begin = time.monotonic()
        self._interrupted, self._over = asyncio.Event(), asyncio.Event()

    async def run(self) -> int:
        """Do all of it, and report.

        Returns:
            The exit code: 0, 1 after any violation, 130 if it was interrupted.
        """
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)
        with tempfile.TemporaryDirectory(prefix="lark-soak-", ignore_cleanup_errors=True) as folder:
            site = Site(Path(folder), self._note, self._note_answer)
            try:
                await site.open()
                await self._clicks(site)
                if not self._interrupted.is_set():
                    await self._settle(site)
                    self._compare(Path(folder))
                if self._settings.airflow and not self._interrupted.is_set():
                    await self._approvals(site, Path(folder))
            finally:
                await site.close()
        rabbitmq.own_epmd().close()
        if left := descendants():
            self._ledger.observed.append(Violation("processes are left running", tuple(map(str, left))))
        interrupted = self._interrupted.is_set()
        for line in report.render_lines(self._ledger, self._timeline, self._more, is_settled=not interrupted):
            self._say(line)
        return INTERRUPTED if interrupted else 1 if self._ledger.violations() else 0

    async def _clicks(self, site: Site) -> None:
        """Have people click, and break things meanwhile."""
        settings, ledger = self._settings, self._ledger
        crowd = Crowd(site.gateways, site.keys, ledger, site.waiter.ask, settings.seed)
        chaos = Chaos(site, ledger, self._note)
        steps = plan.draw(settings.seed, settings.seconds, rotate=settings.rotate, cut=settings.cut)
        self._begin = time.monotonic()
        self._note(f"clicking: {settings.rate:g} a second for {settings.seconds:g} s, seed {settings.seed}")
        async with self._watching(site):
            clicking = asyncio.create_task(crowd.click(settings.rate, self._over))
            breaking = asyncio.create_task(chaos.run(steps, self._over))
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.seconds):
                    await asyncio.wait({clicking, breaking, asyncio.create_task(self._over.wait())})
            self._over.set()
            await asyncio.gather(clicking, breaking)
            self._note("the last click")
            await self._until(lambda: not ledger.count_unsettled())
            self._note(f"{ledger.count_unsettled()} clicks or questions are not settled")

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                while not (condition() or self._interrupted.is_set()):  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(_LOOK_SECONDS)

    @asynccontextmanager
    async def _watching(self, site: Site) -> AsyncIterator[None]:
        stop = asyncio.Event()
        watching = asyncio.create_task(Watcher(site.server, site.database, self._ledger).watch(stop))
        trimming = asyncio.create_task(self._trim(site, stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(watching, trimming)

    async def _trim(self, site: Site, stop: asyncio.Event) -> None:
        while not stop.is_set():
            site.trim()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TRIM_SECONDS)

    async def _settle(self, site: Site) -> None:
        """See what is left behind, and whether each answer is the same for whoever asks again."""
        ledger = self._ledger
        await asyncio.to_thread(Watcher(site.server, site.database, ledger).read)
        decided = [question for question in ledger.questions.values() if question.answers]
        told_before = {question.key: len(question.answers) for question in decided}
        await site.processes[WAITER].kill()
        for question in decided:
            site.waiter.ask(question)
        await self._until(
            lambda: all(len(question.answers) > told_before[question.key] for question in decided)
        )
        silent = tuple(
            question.key for question in decided if len(question.answers) == told_before[question.key]
        )
        if silent:
            ledger.observed.append(Violation("decided, and not told to who asks again", silent))
        queued, dead = await asyncio.to_thread(site.list_left)
        for what, ids in (
            ("in the queue and not stored", set(queued) - ledger.rows.keys()),
            ("dead-lettered", dead),
        ):
            if ids:
                ledger.observed.append(Violation(what, tuple(sorted(ids))))
        for process in site.processes.values():
            if process.ended:
                ledger.observed.append(Violation(f"{process.name} ended by itself {process.ended} times"))
        if fails := {process.name: process.fails for process in site.processes.values() if process.fails}:
            self._more.append(f"Starts that failed, and were tried again: {fails}")

    def _compare(self, folder: Path) -> None:
        """Compare what the services counted with what was seen from outside."""
        killed = [fault.step.target for fault in self._ledger.faults if fault.step.action == "kill"]
        for finding in metered.compare(folder, self._ledger, Counter(killed)):
            if isinstance(finding, str):
                self._more.append(finding)
            else:
                self._ledger.observed.append(finding)

    async def _approvals(self, site: Site, folder: Path) -> None:
        """Edit DAG files while their approvals are open."""
        approvals = Approvals(site, folder / "airflow", self._note, self._interrupted)
        try:
            await asyncio.to_thread(approvals.run)
        finally:
            await asyncio.to_thread(approvals.close)
        self._more += approvals.lines
        self._ledger.observed += approvals.violations

    def _note_answer(self, key: str, answer: tuple[str, ...]) -> None:
        question = self._ledger.questions[key]
        question.answers.append(answer)
        question.decided = question.decided or time.monotonic()

    def _note(self, text: str) -> None:
        line = f"{time.monotonic() - self._begin:6.1f} s  {text}"
        self._timeline.append(line)
        self._say(line)

    def _interrupt(self) -> None:
        self._interrupted.set()
        self._over.set()
