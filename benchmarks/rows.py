"""The rows: what is measured, in rounds that go through the contenders in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TypeVar

from benchmarks import flights
from benchmarks.contenders import APP_ID, RECEIVER, SECRET
from benchmarks.processes import Lab, Series
from benchmarks.table import Goal, Row

T = TypeVar("T")
_COLD_ROUNDS, _WARM_ROUNDS, _LOADS = 5, 7, 3
_KB = 1024
_BATCHES = 5
_MESSAGES = 300
_ASYNC = {"ours": 300, "typed": 40, "hand": 300, "community": 300}  # the SDK opens a client for each

_TIMED = """
import sys, time
start = time.perf_counter()
import {modules}
ms = 1000 * (time.perf_counter() - start)
"""
_IMPORTS = {
    "ours": "lark_provider",
    "typed": "lark_oapi",
    "hand": "httpx2, orjson",
    "community": "feishu_bot_sdk",
}
_OVER_AIRFLOW = {
    "ours": ("airflow", "lark_provider.operators.message"),
    "typed": ("airflow, typed", "lark_oapi"),
}
_HEAVY = ("pika", "lark_oapi", "lark_provider.client")

_FIRST = {
    "ours": f"""
from lark_provider import LarkServiceClient
client = LarkServiceClient("{APP_ID}", "{SECRET}", base_url=URL)
client.messaging.send_text("{RECEIVER}", "hello")
""",
    "typed": f"""
import lark_oapi as lark
from lark_oapi.api.im.v1 import CreateMessageRequest, CreateMessageRequestBody
client = lark.Client.builder().app_id("{APP_ID}").app_secret("{SECRET}").domain(URL).build()
body = CreateMessageRequestBody.builder().receive_id("{RECEIVER}").msg_type("text")
body = body.content(lark.JSON.marshal({{"text": "hello"}})).build()
request = CreateMessageRequest.builder().receive_id_type("open_id").request_body(body).build()
assert client.im.v1.message.create(request).success()
""",
    "hand": "from benchmarks.contenders import ByHand\nByHand(URL).send_text('hello')\n",
    "community": f"""
from feishu_bot_sdk import FeishuClient, FeishuConfig
config = FeishuConfig(app_id="{APP_ID}", app_secret="{SECRET}", base_url=URL + "/open-apis")
FeishuClient(config).send_text_message("{RECEIVER}", "open_id", "hello")
""",
}


def imports(lab: Lab) -> Iterator[Row]:
    """Measure the import of each contender's package, over a bare interpreter."""
    ms, mb = Series(), Series()
    for measured in range(-1, _COLD_ROUNDS):  # the first, of cold files, is not counted
        for contender, modules in _of(lab, _IMPORTS):
            bare = lab.cold(contender, "found = {}")["peak"]
            cost = lab.cold(contender, _TIMED.format(modules=modules) + "found = {'ms': ms}")
            if measured >= 0:
                ms.add(contender, cost["ms"])
                mb.add(contender, (cost["peak"] - bare) / _KB)
    yield Row("import, ms", ms, [Goal(5)])
    yield Row("import, MB over bare Python", mb, [Goal(1)])


def operators(lab: Lab) -> Iterator[Row]:
    """Measure what a DAG file pays for an operator, beyond `airflow.sdk`."""
    ms, modules, heavy = Series(), Series(), Series()
    before = "from airflow.sdk import DAG\nimport sys\nbefore = set(sys.modules)\n"
    after = "found = {'ms': ms, 'new': [*sys.modules.keys() - before]}"
    for measured in range(-1, _COLD_ROUNDS):
        for contender, (where, names) in _OVER_AIRFLOW.items():
            cost = lab.cold(where, before + _TIMED.format(modules=names) + after)
            if measured >= 0:
                ms.add(contender, cost["ms"])
                modules.add(contender, len(cost["new"]))
                heavy.add(contender, len({*_HEAVY} & {*cost["new"]}))
    yield Row("operator module over `airflow.sdk`, ms", ms, [Goal(5)])
    yield Row("… modules loaded", modules)
    yield Row(f"… of these {', '.join(_HEAVY)}", heavy, [Goal(0)])


def first_message(lab: Lab, url: str) -> Iterator[Row]:
    """Measure a process from its start to the first message's answer, fetching a token on the way."""
    ms, mb = Series(), Series()
    for measured in range(-1, _COLD_ROUNDS):
        for contender, code in _of(lab, _FIRST):
            cost = lab.cold(contender, f"URL = {url!r}\n{code}\nfound = {{}}")
            if measured >= 0:
                ms.add(contender, 1000 * cost["wall"])
                mb.add(contender, cost["peak"] / _KB)
    yield Row("first message of a process, ms", ms, [Goal(1 / 10, "typed")])
    yield Row("… peak memory, MB", mb, [Goal(1 / 4, "typed")])


def warm(lab: Lab, url: str) -> Iterator[Row]:
    """Measure messages a second, and the CPU time of a batch of 1000 records."""
    per_second, at_once, plain, converted = Series(), Series(), Series(), Series()
    with ExitStack() as stack:
        workers = {contender: stack.enter_context(lab.worker(contender, url)) for contender in lab.contenders}

        def rounds(series: Series, job: str, counts: dict[str, int], cost: Callable[..., float]) -> None:
            for contender, count in _of(lab, counts):
                series.add(contender, cost(count, **workers[contender].ask(job, count)))

        def rate(count: int, wall: float, **_: float) -> float:
            return count / wall

        def cpu(count: int, cpu: float, **_: float) -> float:
            return 1000 * cpu / count

        for measured in range(-1, _WARM_ROUNDS):
            kept = (per_second, at_once, plain, converted) if measured >= 0 else (Series(),) * 4
            rounds(kept[0], "messages", dict.fromkeys(lab.contenders, _MESSAGES), rate)
            rounds(kept[1], "messages_async", _ASYNC, rate)
            rounds(kept[2], "batch", dict.fromkeys(lab.contenders, _BATCHES), cpu)
            rounds(kept[3], "batch_convert", dict.fromkeys(lab.contenders, _BATCHES), cpu)
    single, many = Goal(2.5, "typed", at_least=True), Goal(10, "typed", at_least=True)
    hand = Goal(0.92, "hand", at_least=True)
    yield Row("messages a second, one after another", per_second, [single, hand])
    yield Row("messages a second, 20 at a time, asyncio", at_once, [many, hand])
    goals = [Goal(1 / 12, "typed"), Goal(1.3, "hand")]
    yield Row("1000 records in a list, CPU ms, `convert=False`", plain, goals)
    yield Row("… `convert=True`", converted)


def year(lab: Lab, url: str) -> Iterator[Row]:
    """Measure a year of flights from a generator, each time in a new process."""
    for job, name in (("load", "`convert=False`"), ("load_convert", "`convert=True`")):
        mb, seconds, cpu = Series(), Series(), Series()
        for done in range(_LOADS):
            for contender in lab.contenders:
                if contender == "typed" and (done or job == "load_convert"):
                    continue  # some 18 s each: once will do
                with lab.worker(contender, url) as worker:
                    worker.ask("messages", 1)  # some import and fetch a token only now, others did before
                    empty = worker.ask(job, 0)["peak"]
                    cost = worker.ask(job, flights.YEAR)
                mb.add(contender, (cost["peak"] - empty) / _KB)
                seconds.add(contender, cost["wall"])
                cpu.add(contender, cost["cpu"])
        yield Row(f"{flights.YEAR:,} rows, {name}, s", seconds, [Goal(1.15, "hand")])
        yield Row("… CPU s", cpu)
        yield Row("… peak memory, MB over an empty run", mb, [Goal(40)])


def _of(lab: Lab, by_contender: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    """Return those contenders that can be measured, each with its value."""
    return ((contender, value) for contender, value in by_contender.items() if contender in lab.contenders)
