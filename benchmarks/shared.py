"""What a database and RabbitMQ between the processes cost: tokens, the registry's command, clicks."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import APP_ID, RECEIVER, SECRET
from benchmarks.processes import Lab, Series
from benchmarks.table import Goal, Row
from lark_provider.storage import migrate, urls
from lark_provider.storage.crypto import generate_key
from tests.services import postgres

_ROUNDS = 5
_KB = 1024
_TYPED = f"""
import lark_oapi as lark
from lark_oapi.api.im.v1 import CreateMessageRequest, CreateMessageRequestBody
client = lark.Client.builder().app_id("{APP_ID}").app_secret("{SECRET}").domain(URL).build()
body = CreateMessageRequestBody.builder().receive_id("{RECEIVER}").msg_type("text")
body = body.content(lark.JSON.marshal({{"text": "hello"}})).build()
request = CreateMessageRequest.builder().receive_id_type("open_id").request_body(body).build()
assert client.im.v1.message.create(request).success()
found = {{}}
"""
_OURS = f"""
from lark_provider import LarkServiceClient
client = LarkServiceClient("{APP_ID}", "{SECRET}", base_url=URL, database_url=DATABASE)
client.messaging.send_text("{RECEIVER}", "hello")
found = {{}}
"""
_TOKENS = f"""
import time
from lark_provider import LarkServiceClient
from lark_provider.storage import urls
from lark_provider.storage.token_store import TokenStore
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.tokens import request_tenant_token
client = LarkServiceClient("{APP_ID}", "{SECRET}", base_url=URL, database_url=DATABASE)
client.perform(request_tenant_token())

def each(work, count):
    start = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - start) / count

def nothing():
    return None
    yield

bare = each(lambda: client.perform(nothing()), 20_000)
memory = each(lambda: client.perform(request_tenant_token()), 20_000) - bare
store, key = TokenStore(urls.parse(DATABASE, "x"), "{APP_ID}", "{SECRET}"), client._find_app().token_key
took = []
for _ in range(300):
    start = time.perf_counter()
    claim = store.claim(key, now=time.time(), owner="bench", lease_seconds=10)
    took.append(time.perf_counter() - start)
    assert claim.token is not None and not claim.won
found = {{"memory": 1e6 * memory, "stored": 1e3 * sorted(took)[len(took) // 2]}}
"""


def tokens(lab: Lab, url: str) -> Iterator[Row]:
    """Measure tokens from memory and PostgreSQL, and a first message with the token in PostgreSQL."""
    memory, stored, first, peak = Series(), Series(), Series(), Series()
    with postgres.find(os.environ).server.databases() as databases:
        database = databases.make()
        migrate.upgrade(urls.parse(database, "the benchmark's database"))
        where = f"URL, DATABASE = {url!r}, {database!r}\n"
        for measured in range(-1, _ROUNDS):
            cost = lab.cold("ours", where + _TOKENS)
            messages = {"ours": lab.cold("ours", where + _OURS), "typed": lab.cold("typed", where + _TYPED)}
            if measured >= 0:
                memory.add("ours", cost["memory"])
                stored.add("ours", cost["stored"])
                for contender, message in messages.items():
                    first.add(contender, 1000 * message["wall"])
                    peak.add(contender, message["peak"] / _KB)
    yield Row("a token from memory, µs over the call's own cost", memory, [Goal(5)])
    yield Row("a token from PostgreSQL, ms", stored, [Goal(2)])
    yield Row("first message, the token in PostgreSQL, ms", first, [Goal(1 / 3, "typed")])
    yield Row("… peak memory, MB", peak, [Goal(1 / 2, "typed")])


def registry(lab: Lab, home: Path) -> Iterator[Row]:
    """Measure the command that lists the apps of a registry file, as a shell sees it."""
    env = lab.env | {
        "LARK_REGISTRY_PATH": str(home / "applications.db"),
        "LARK_CONFIG_ENCRYPTION_KEY": generate_key(),
        "BENCH_SECRET": SECRET,
    }
    command = [str(lab.environments.python("ours")), "-m", "lark_provider.cli", "app"]

    def run(*arguments: str) -> float:
        started = time.monotonic()
        subprocess.run([*command, *arguments], env=env, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        return 1000 * (time.monotonic() - started)

    for number in range(3):
        run("add", "--app-id", f"cli_{number}", "--app-secret", "env:BENCH_SECRET")
    wall = Series()
    for measured in range(-1, _ROUNDS):
        took = statistics.median(run("list") for _ in range(3))
        if measured >= 0:
            wall.add("ours", took)
    yield Row("`lark-provider app list`, ms", wall, [Goal(500)])
