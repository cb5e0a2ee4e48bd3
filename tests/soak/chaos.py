"""Does what the plan says, each step in its time."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress

from tests.soak.ledger import Fault, Ledger
from tests.soak.plan import CUT_OFF, Step
from tests.soak.site import Site


class Chaos:
    """Breaks a site while people click.

    Args:
        site: The site.
        ledger: Takes what was done.
        note: Takes the same, in words.
    """

    def __init__(self, site: Site, ledger: Ledger, note: Callable[[str], None]) -> None:
        self._site, self._ledger, self._note = site, ledger, note
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stop = asyncio.Event()

    async def run(self, steps: Iterable[Step], stop: asyncio.Event) -> None:
        """Do all steps, or those until told to stop; after that everything runs again.

        Args:
            steps: In the order of their times.
            stop: Ends it, and what lasts.
        """
        self._stop = stop
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for step in steps:
                await self._sleep(begin + step.at - time.monotonic())
                if stop.is_set():
                    break
                group.create_task(self._do(step))

    async def _do(self, step: Step) -> None:
        work = {"kill": self._kill, "freeze": self._freeze, "rotate": self._rotate, "cut": self._cut}
        async with self._locks[f"{step.action}/{step.target}" if step.action == "cut" else step.target]:
            begin = time.monotonic()
            await work[step.action](step)
            self._ledger.faults.append(Fault(step, begin, time.monotonic()))

    async def _kill(self, step: Step) -> None:
        self._note(f"kill {step.target}")
        begin = time.monotonic()
        await self._site.kill(step.target)
        self._note(f"{step.target} runs again after {time.monotonic() - begin:.1f} s")

    async def _freeze(self, step: Step) -> None:
        self._note(f"freeze {step.target} for {step.seconds:.1f} s")
        await self._site.freeze(step.target)
        await self._sleep(step.seconds)
        await self._site.thaw(step.target)

    async def _rotate(self, step: Step) -> None:
        keys = await self._site.rotate(step.target.split("+"))
        when = f"{step.seconds:.1f} s later" if step.seconds else "at once"
        self._note(f"rotate {step.target}; Lark signs with it {when}")
        await self._sleep(step.seconds)
        self._site.keys.encrypt_key = keys.encrypt_key
        self._site.keys.verification_token = keys.verification_token

    async def _cut(self, step: Step) -> None:
        self._note(f"cut {step.target} off from its database for {step.seconds:.1f} s")
        pump = self._site.processes[CUT_OFF]
        pump.may_end = True
        await self._site.relay.close()
        await self._sleep(step.seconds)
        await self._site.relay.open()
        pump.may_end = False
        self._note(f"{step.target} reaches its database again")

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but no longer than the run lasts."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)
