"""What is broken at a site, and repaired again, while clicks are sent to it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping

from tests.callbacks import mq
from tests.callbacks.failures.crowd import CLICKERS, SECONDS, Trial
from tests.callbacks.failures.handler import DIE


async def broker_stopped(trial: Trial) -> None:
    await asyncio.to_thread(trial.site.node.stop)
    trial.answer()
    await asyncio.to_thread(trial.site.node.start)


async def broker_killed(trial: Trial) -> None:
    trial.site.node.kill()
    trial.answer()
    await asyncio.to_thread(trial.site.node.start)


async def broker_killed_alone(trial: Trial) -> None:
    """Kill the broker with no database behind the gateway: clicks that it does not confirm are refused."""
    site = trial.site
    await asyncio.to_thread(site.gateway.end)
    await asyncio.to_thread(site.open, site.gateway_alone)
    try:
        await trial.wait_for_accepted(20)
        before = len(trial.refused)
        site.node.kill()
        trial.answer()
        # A broker that is back first leaves none to refuse: on a busy machine few clicks are sent meanwhile.
        await mq.wait_until_async(lambda: len(trial.refused) > before, SECONDS)
        await asyncio.to_thread(site.node.start)
        await trial.wait_until_answered()
    finally:
        await asyncio.to_thread(site.gateway_alone.end)
        await asyncio.to_thread(site.open, site.gateway)


async def broker_frozen(trial: Trial) -> None:
    trial.site.node.pause()
    trial.answer()
    await trial.wait_for_accepted(60)
    trial.site.node.resume()


async def database_stopped(trial: Trial) -> None:
    await asyncio.to_thread(trial.site.server.stop, "immediate")
    trial.answer()
    await trial.wait_for_accepted(60)
    await asyncio.to_thread(trial.site.server.start)


async def database_frozen(trial: Trial) -> None:
    trial.site.server.pause()
    trial.answer()
    await trial.wait_for_accepted(60)
    trial.site.server.resume()


async def all_frozen(trial: Trial) -> None:
    """Freeze the broker and the database: no click can be stored, and each click is refused in time."""
    site, refused = trial.site, len(trial.refused)
    site.node.pause()
    site.server.pause()
    trial.answer()
    await mq.wait_until_async(lambda: len(trial.refused) > refused + 2 * CLICKERS)
    assert trial.unanswered == 0
    site.server.resume()
    site.node.resume()


async def pump_killed_before_commit(trial: Trial) -> None:
    """Kill the pump while another session's lock keeps it from storing the clicks that are in flight."""
    site = trial.site
    with site.lock():
        trial.answer()
        await mq.wait_until_async(site.pump_is_blocked)
        in_flight = set(site.to_pump.delivered)
        await asyncio.to_thread(site.pump.kill)
    await asyncio.to_thread(site.pump.start)
    await _come_again(trial, in_flight)


async def pump_killed_before_ack(trial: Trial) -> None:
    """Kill the pump after it has stored what was in flight, while its acknowledgements do not arrive."""
    site = trial.site
    with site.lock():
        trial.answer()
        await mq.wait_until_async(site.pump_is_blocked)
        site.to_pump.is_deaf = True
        in_flight = set(site.to_pump.delivered)
    await mq.wait_until_async(lambda: in_flight <= set(site.read_stored()))
    await asyncio.to_thread(site.pump.kill)
    site.to_pump.cut()
    await asyncio.to_thread(site.pump.start)
    await _come_again(trial, in_flight)


async def _come_again(trial: Trial, in_flight: set[str]) -> None:
    """Wait until the broker has delivered again what was never acknowledged."""
    of_this = {name for name in in_flight if name.startswith(trial.breakdown)}
    await mq.wait_until_async(lambda: any(trial.site.count_delivered()[name] > 1 for name in of_this))


async def triggerer_killed(trial: Trial) -> None:
    await asyncio.to_thread(trial.site.triggerer.kill)
    trial.answer()
    await trial.wait_for_accepted(60)
    trial.site.triggerer.start()


async def gateway_killed(trial: Trial) -> None:
    """Let the handler kill the gateway: the click is stored by then, and its answer was not sent."""
    site = trial.site
    assert not await trial.click(value=DIE)
    assert await asyncio.to_thread(site.gateway.end) == -signal.SIGKILL
    trial.answer()
    await asyncio.to_thread(site.open, site.gateway)
    assert await trial.repeat_first_click()  # by a gateway that has never heard of it
    await mq.wait_until_async(lambda: trial.refused & set(site.read_stored()))


async def gateway_frozen(trial: Trial) -> None:
    """Freeze the gateway until clicks time out at Lark; what arrived meanwhile may still be stored later."""
    process = trial.site.gateway.process
    assert process is not None
    refused = len(trial.refused)
    process.send_signal(signal.SIGSTOP)
    trial.answer()
    await mq.wait_until_async(lambda: len(trial.refused) > refused + CLICKERS)
    process.send_signal(signal.SIGCONT)


BREAKDOWNS: Mapping[str, Callable[[Trial], Awaitable[None]]] = {
    "RabbitMQ stopped and started": broker_stopped,
    "RabbitMQ killed": broker_killed,
    "RabbitMQ killed with no database behind the gateway": broker_killed_alone,
    "RabbitMQ frozen and thawed": broker_frozen,
    "PostgreSQL stopped and started": database_stopped,
    "PostgreSQL frozen and thawed": database_frozen,
    "RabbitMQ and PostgreSQL frozen and thawed": all_frozen,
    "pump killed between receive and commit": pump_killed_before_commit,
    "pump killed between commit and acknowledgement": pump_killed_before_ack,
    "triggerer killed": triggerer_killed,
    "gateway killed after the confirm": gateway_killed,
    "gateway frozen and thawed": gateway_frozen,
}
