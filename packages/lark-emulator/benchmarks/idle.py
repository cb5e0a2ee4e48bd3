"""What the emulator costs: start, memory, messages a second, and the longest stall with many records.

Run by hand: `python packages/lark-emulator/benchmarks/idle.py --records 1000000`. Times are CPU seconds, so
that other work on the machine changes them little; only the messages a second depend on it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import http.client
import json
import os
import re
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator import Emulator
from lark_emulator.garbage_collection import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLES = "/open-apis/bitable/v1/apps"
MESSAGES = 3000
STARTS = 200
TURNS = 2000
_PARSED = 1_000_000


class Client:
    """A client over one connection, with the token of the emulator's first app.

    Args:
        base_url: where the emulator listens.
        app_id: of the app.
        app_secret: of the app.
    """

    def __init__(self, base_url: str, app_id: str, app_secret: str) -> None:
        self._connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=3600)
        self._headers = {"Content-Type": "application/json"}
        credentials = {"app_id": app_id, "app_secret": app_secret}
        token = self.ask("POST", "/open-apis/auth/v3/tenant_access_token/internal", credentials)
        self._headers["Authorization"] = f"Bearer {token['tenant_access_token']}"

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send a request, and return the whole answer; it must be a good one."""
        sent = None if body is None else json.dumps(body)
        self._connection.request(method, path, sent, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        # Parsing a state of hundreds of megabytes is none of the emulator's work.
        answer: dict[str, Any] = json.loads(content) if len(content) < _PARSED else {}
        if answer.get("code", 0) != 0:
            raise RuntimeError(f"{method} {path}: {answer}")
        return answer


class Stalls:
    """Measures how long the event loop of this process does one thing without a turn for others.

    Args:
        settle: Is called before a figure is read; it asks the loop for something, since an answer arrives
            before the step that has written it ends.
    """

    def __init__(self, settle: Callable[[], object]) -> None:
        self._settle = settle
        self.longest = self.total = self.collecting = 0.0
        self._collection = 0.0
        gc.callbacks.append(self._note_collection)
        run = asyncio.Handle._run  # noqa: SLF001 - nothing public tells when a step of a loop begins and ends

        def measure(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            took = time.thread_time() - began
            self.longest, self.total = max(self.longest, took), self.total + took

        asyncio.Handle._run = measure  # type: ignore[method-assign, assignment] # noqa: SLF001

    def _note_collection(self, phase: str, _: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._collection = now
        else:
            self.collecting = max(self.collecting, now - self._collection)

    @contextmanager
    def show(self, what: str) -> Iterator[None]:
        """Print the longest stall, and all CPU time of the loop, while something is done."""
        self.longest = self.total = self.collecting = 0.0
        yield
        self._settle()
        garbage = f"garbage {self.collecting * 1000:5.1f} ms"
        print(f"{what:<34}{self.longest * 1000:10.1f} ms of {self.total:8.2f} s, {garbage}", flush=True)


def command() -> None:
    """Print how long the command takes to start, and its memory while it is idle and after a request."""
    began = time.perf_counter()
    arguments = [sys.executable, "-m", "lark_emulator", "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            assert process.stdout is not None  # noqa: S101 - asked for
            first = process.stdout.readline()
            took = time.perf_counter() - began
            cpu = _cpu(process.pid)
            print(f"{'start of the command':<34}{took:10.2f} s, {cpu:.2f} s of CPU")
            print(f"{'memory, idle':<34}{_memory(process.pid):10.1f} MB")
            known = dict(pair.split("=") for pair in process.stdout.readline().split())
            address = re.search(r"http://\S+", first)
            assert address is not None  # noqa: S101 - it says so as soon as it listens
            client = Client(address[0], known["LARK_APP_ID"], known["LARK_APP_SECRET"])
            print(f"{'memory, after a request':<34}{_memory(process.pid):10.1f} MB")
            messages(client, process.pid)
        finally:
            process.terminate()


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def messages(client: Client, pid: int) -> None:
    """Print how many messages the emulator takes for each second of its CPU time."""
    state = client.ask("GET", "/_emulator/state?summary=1")
    chat_id = state["chats"][0]["chat_id"] if state["chats"] else None
    if chat_id is None:
        chat_id = client.ask("POST", "/open-apis/im/v1/chats", {"name": "benchmark"})["data"]["chat_id"]
    client.ask("POST", "/_emulator/settings", {"rate_limits": False})
    sent = {"receive_id": chat_id, "msg_type": "text", "content": json.dumps({"text": "x"})}
    before = _cpu(pid)
    for _ in range(MESSAGES):
        client.ask("POST", "/open-apis/im/v1/messages?receive_id_type=chat_id", sent)
    print(f"{'messages':<34}{MESSAGES / (_cpu(pid) - before):10.0f} for each second of CPU")


def _cpu(pid: int) -> float:
    status = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")


def starts() -> None:
    """Print how long an emulator in this process takes to start and stop."""
    Emulator().start().stop()
    began = time.process_time()
    for _ in range(STARTS):
        Emulator().start().stop()
    took = (time.process_time() - began) / STARTS
    print(f"{'start and stop in a process':<34}{took * 1000:10.2f} ms of CPU")


def stalls(records: int) -> None:
    """Print the longest stall of the loop for what reads or copies a table of many records."""
    Collector().install()  # as the command does
    with Emulator(settings={"rate_limits": False, "new_base": "bare"}) as lark:
        client = Client(lark.base_url, lark.app_id, lark.app_secret)
        meter = Stalls(lambda: client.ask("GET", "/_emulator/faults"))
        app = client.ask("POST", TABLES, {"name": "benchmark"})["data"]["app"]
        token, table = app["app_token"], app["default_table_id"]
        path = f"{TABLES}/{token}/tables/{table}"
        for name, kind in (("Name", 1), ("Amount", 2), ("Due", 5)):
            client.ask("POST", f"{path}/fields", {"field_name": name, "type": kind})
        spec = {"app_token": token, "table_id": table}
        fields = {
            "Name": "row {n}",
            "Amount": {"cycle": [n * 7919 % 10007 for n in range(1000)]},
            "Due": "{n}",
        }
        with meter.show(f"add {records:,} records"):
            client.ask("POST", "/_emulator/records/add", {**spec, "count": records, "fields": fields})
        contains = {"field_name": "Name", "operator": "contains", "value": ["99"]}
        condition = {"conjunction": "and", "conditions": [contains]}
        is_one = {**condition, "conditions": [{**contains, "operator": "is", "value": ["row 77"]}]}
        by_amount = [{"field_name": "Amount", "desc": True}, {"field_name": "Name"}]
        with meter.show("list a page"):
            client.ask("GET", f"{path}/records?page_size=500")
        with meter.show("search by a filter"):
            client.ask("POST", f"{path}/records/search", {"filter": condition})
        with meter.show("search by a value (index made)"):
            client.ask("POST", f"{path}/records/search", {"filter": is_one})
        with meter.show("search, sorted by two fields"):
            client.ask("POST", f"{path}/records/search", {"sort": by_amount})
        with meter.show("sort on the page"):
            client.ask("GET", f"/_emulator/view/records?app_token={token}&table_id={table}&sort=Amount")
        with meter.show("delete one, list the rest"):
            page = client.ask("GET", f"{path}/records?page_size=1")["data"]["items"]
            client.ask("DELETE", f"{path}/records/{page[0]['record_id']}")
            client.ask("GET", f"{path}/records?page_size=500")
        last = _last(client, path)
        with meter.show("last page of the state"):
            client.ask("GET", f"/_emulator/state?only=records&after={last}&limit=100")
        with meter.show("state as a whole"):
            client.ask("GET", "/_emulator/state")
        with meter.show("copy of the base"):
            client.ask("POST", f"{TABLES}/{token}/copy", {"name": "a copy"})
        with meter.show("delete a field"):
            items = client.ask("GET", f"{path}/fields")["data"]["items"]
            client.ask("DELETE", f"{path}/fields/{items[-1]['field_id']}")
        print(f"{'peak memory':<34}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10.0f} MB")
        with meter.show("reset"):
            client.ask("POST", "/_emulator/reset", {})
            for _ in range(TURNS):  # what there was is freed between requests
                client.ask("GET", "/_emulator/faults")


def _last(client: Client, path: str) -> str:
    """Return the id of the last record but a few."""
    sort = [{"field_name": "Due", "desc": True}]
    results = client.ask("POST", f"{path}/records/search?page_size=20", {"sort": sort})
    record_id: str = results["data"]["items"][-1]["record_id"]
    return record_id


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="how many (default: 1,000,000)")
    records = parser.parse_args().records
    command()
    starts()
    if records:
        print(f"\n{'longest stall of the loop (CPU)':<34}")
        stalls(records)


if __name__ == "__main__":
    main()
