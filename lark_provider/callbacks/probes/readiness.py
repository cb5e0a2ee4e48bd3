"""Whether a service could do its work now: proved in the background, and read without I/O."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lark_provider.support import measured
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

PROBE_SECONDS = 5.0
STALE_SECONDS = 15.0
_RETRY_SECONDS = 1.0  # So a gateway is ready soon after its broker or its database is available again.


class Dependency(Protocol):
    """What a service depends on, such as a sink, the broker or the database."""

    @property
    def name(self) -> str:
        """What it is called in logs and in `/readyz`."""

    @property
    def is_up(self) -> bool:
        """Whether it works, as far as that is known without I/O."""

    async def probe(self) -> None:
        """Prove that it works now, without leaving anything behind. May be cancelled.

        Raises:
            Exception: It does not, as far as it knows.
        """


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of the last proof of a check, and its time by the event loop's clock."""

    is_good: bool
    at: float


class Readiness:
    """The last proof of each check: a probe, or work that was done, such as a click that was stored.

    Args:
        checks: What to prove.
        every: Seconds between two probes of a check, and how long one may take.
        stale: Seconds after which a proof no longer counts, as when no probe returns.
    """

    def __init__(
        self, checks: Sequence[Dependency], *, every: float = PROBE_SECONDS, stale: float = STALE_SECONDS
    ) -> None:
        self._checks, self._every, self._stale = tuple(checks), every, stale
        self._results: dict[str, _Result] = {}
        self._throttle = Throttle()

    def get_readiness(self) -> dict[str, bool]:
        """Return which checks hold, by their names. No I/O is done."""
        return {check.name: self._is_ready(check) for check in self._checks}

    def note_proof(self, name: str) -> None:
        """Note that a check has just been proved by work, as when a sink has stored a click.

        Args:
            name: The name of the check.
        """
        self._results[name] = _Result(is_good=True, at=asyncio.get_running_loop().time())
        measured.SINK_READY.set(1, name)

    async def run(self) -> None:
        """Probe every check periodically, each at its own pace, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for check in self._checks:
                group.create_task(self._probe(check))

    def _is_ready(self, check: Dependency) -> bool:
        result = self._results.get(check.name)
        if result is None or not result.is_good or not check.is_up:
            return False
        return asyncio.get_running_loop().time() - result.at < self._stale

    async def _probe(self, check: Dependency) -> None:
        loop = asyncio.get_running_loop()
        was_good, is_first = False, True
        while True:
            error: Exception | None = None
            try:
                async with asyncio.timeout(self._every):
                    await check.probe()
            except TimeoutError:
                error = TimeoutError(f"no answer within {self._every:g} s")
            except Exception as raised:  # noqa: BLE001 - whatever it is, the service could not do its work either
                error = raised
            self._results[check.name] = _Result(is_good=error is None, at=loop.time())
            measured.SINK_READY.set(error is None, check.name)
            if error is None and not was_good:
                logger.info("Sink ready", extra={"sink": check.name})
            elif error is not None and not is_first:
                # The first proof may come before the connection of a service that has just started.
                self._warn(check, error)
            was_good, is_first = error is None, False
            await asyncio.sleep(self._every if was_good else _RETRY_SECONDS)

    def _warn(self, check: Dependency, error: Exception) -> None:
        self._throttle.log(
            logger.warning, "Sink not ready", extra={"sink": check.name, "error": str(error)}, kind=check.name
        )
