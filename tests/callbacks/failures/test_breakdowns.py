"""No accepted click is lost, none counts twice, and every waiter is answered, whatever is broken meanwhile.

Everything runs as it is deployed, each a process: `lark-provider callbacks serve` and `pump`, a triggerer.
What became of the clicks is printed at the end of the run.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.callbacks import mq
from tests.callbacks.failures.breakdowns import BREAKDOWNS
from tests.callbacks.failures.crowd import SECONDS, Trial
from tests.callbacks.failures.site import Site


@pytest.mark.parametrize("breakdown", BREAKDOWNS)
def test_no_click_is_lost_and_every_wait_is_answered(
    breakdown: str, site: Site, say: Callable[[str], None]
) -> None:
    trial = Trial(site, breakdown, say)

    async def work() -> None:
        async with trial.clicking():
            await BREAKDOWNS[breakdown](trial)

    mq.run(work(), 2 * SECONDS)
    trial.check_account()
