"""What a click costs at the gateway: the real one, with a real broker or database behind it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from benchmarks.clicker import CONNECTIONS, PACES
from benchmarks.processes import Lab, Process, Series
from benchmarks.table import Goal, Row
from lark_provider.callbacks.broker.topology import CARDS
from lark_provider.storage import migrate, urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.tables import card_callbacks
from tests.protocol.callbacks import sender
from tests.services import postgres, rabbitmq

_ROUNDS = 3
_COUNTS = {"saturate": 8000, "pace": 6000}
_READY_SECONDS, _LEAVE_SECONDS = 30, 10
_QUIET_SECONDS = 0.5
_OK = 200
_SERVICES = ("RABBITMQ_", "POSTGRES_")
_AT_ONCE = 1000
_PROVEN = """
import time
from lark_provider.protocol.callbacks import CallbackKeys, CardClick, Incoming, read, receive
keys = CallbackKeys(*KEYS)
incoming = Incoming(HEADERS, BODY)
click = receive(incoming, keys, NOW)
assert isinstance(click, CardClick)

def best(work):
    took = []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(200):
            work()
        took.append(time.perf_counter() - start)
    return 1e6 * min(took) / 200

found = {"all": best(lambda: receive(incoming, keys, NOW)), "read": best(lambda: read(click.raw))}
"""


def proof(lab: Lab) -> Iterator[Row]:
    """Measure how a raw request becomes a `CardClick`: signature, cipher, token and time, then reading."""
    proven, read = Series(), Series()
    body = sender.seal_body(sender.card())
    keys = (sender.APP, sender.KEY, sender.TOKEN)
    preamble = f"KEYS, NOW, BODY, HEADERS = {keys!r}, {sender.NOW!r}, {body!r}, {sender.make_headers(body)!r}"
    for measured in range(-1, 5):
        cost = lab.cold("ours", preamble + _PROVEN)
        if measured >= 0:
            proven.add("ours", cost["all"] - cost["read"])
            read.add("ours", cost["read"])
    yield Row("a click verified and decrypted, µs", proven, [Goal(20)])
    yield Row("… and read, µs", read)


@contextmanager
def gateway(lab: Lab, **settings: str) -> Iterator[tuple[str, int]]:
    """Run `lark-provider callbacks serve`, with the keys of `sender`.

    Args:
        lab: Provides the interpreter and the environment.
        settings: Further variables of its environment.

    Yields:
        Its callback URL, and its process id.
    """
    keys = {"LARK_APP_ID": sender.APP, "LARK_EVENT_ENCRYPT_KEY": sender.KEY}
    keys |= {"LARK_EVENT_VERIFICATION_TOKEN": sender.TOKEN}
    env = {name: value for name, value in lab.env.items() if not name.startswith(_SERVICES)} | keys | settings
    python = str(lab.environments.python("gateway"))
    command = [python, "-m", "lark_provider.cli", "callbacks", "serve", "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as serving:  # noqa: S603 - ours
        try:
            assert serving.stdout is not None  # noqa: S101 - asked for above
            url = serving.stdout.readline().split()[-1].replace("{app_id}", sender.APP)
            _wait_until_ready(url)
            yield url, serving.pid
        finally:
            serving.terminate()
            try:
                serving.wait(_LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                serving.kill()


def _wait_until_ready(url: str) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        asking = HTTPConnection(urlsplit(url).netloc, timeout=_READY_SECONDS)
        asking.request("GET", "/readyz")
        status = asking.getresponse().status
        asking.close()
        if status == _OK:
            return
        time.sleep(0.05)
    raise RuntimeError("The gateway is not ready.")


def into_rabbitmq(lab: Lab) -> Iterator[Row]:
    """Measure clicks into a quorum queue, each confirmed before it is answered."""
    with rabbitmq.find(os.environ).server.vhost() as broker, gateway(lab, RABBITMQ_URL=broker) as gate:
        yield from _thrown(lab, gate, "RabbitMQ", lambda: _drain_queue(broker), goals=True)


def into_the_database(lab: Lab) -> Iterator[Row]:
    """Measure clicks straight into PostgreSQL, each committed before it is answered."""
    with postgres.find(os.environ).server.databases() as databases:
        database = databases.make()
        migrate.upgrade(urls.parse(database, "the benchmark's database"))
        with gateway(lab, LARK_DATABASE_URL=database) as gate:
            yield from _thrown(lab, gate, "PostgreSQL", lambda: _empty_table(database), goals=False)


def _thrown(
    lab: Lab, gate: tuple[str, int], where: str, kept: Callable[[], int], *, goals: bool
) -> Iterator[Row]:
    """Throw clicks, first as fast as the answers come, then at a pace.

    Args:
        lab: Where the people are.
        gate: The gateway's URL and process id.
        where: Names what keeps the clicks.
        kept: How many it has kept since it was asked last.
        goals: Whether there are any.
    """
    a_second, cpu, busy, paced = Series(), Series(), Series(), Series()
    with Process(lab.env, "clicker", gate[0]) as people:
        for job, p99 in (("saturate", busy), ("pace", paced)):
            for measured in range(-1, _ROUNDS):
                count = _COUNTS[job] if measured >= 0 else _COUNTS[job] // 4
                used = _cpu_seconds(gate[1])
                cost = people.ask(job, count)
                used = _cpu_seconds(gate[1]) - used
                if not cost["accepted"] <= (stored := kept()) <= count:
                    raise RuntimeError(f"{cost['accepted']} of {count} clicks were accepted, {stored} kept.")
                if measured < 0:
                    continue
                p99.add("ours", 1000 * cost["p99"])
                if job == "saturate":
                    a_second.add("ours", cost["accepted"] / cost["seconds"])
                    cpu.add("ours", 1e6 * used / count)
    what = f"clicks a second, gateway → {where}, {CONNECTIONS} at a time"
    yield Row(what, a_second, [Goal(3000, at_least=True)] if goals else ())
    yield Row("… CPU of the gateway, µs a click", cpu)
    within = [Goal(50)] if goals else ()
    yield Row("… answered, p99, ms", busy, within)
    yield Row(f"… answered, p99, ms, at {PACES['pace']:,} clicks a second", paced, within)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _drain_queue(broker: str) -> int:
    """Empty the queue, and return how many different clicks were in it."""
    message_ids: set[str | None] = set()
    with rabbitmq.connect(broker) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=_AT_ONCE)
        for method, properties, _ in channel.consume(CARDS.name, inactivity_timeout=_QUIET_SECONDS):
            if method is None or properties is None:
                break
            message_ids.add(properties.message_id)
            channel.basic_ack(method.delivery_tag or 0)
    return len(message_ids)


def _empty_table(database: str) -> int:
    """Empty the table, and return how many clicks were in it."""
    with get_engine(urls.parse(database, "the benchmark's database")).begin() as connection:
        return connection.execute(sa.delete(card_callbacks)).rowcount
