"""Print how far five common things travel through the package: calls of ours, files, and changes of file.

A generator that is resumed counts as a call, for a reader has to follow it there. Everything is done once
before it is counted, so that imports and connections are not part of it.

    .venv/bin/python -m scripts.walks         a line for each
    .venv/bin/python -m scripts.walks click   every call of one of them, in order, as deep as it is
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from lark_emulator import Emulator

import lark_provider
from lark_provider import LarkServiceClient

PACKAGE = str(Path(lark_provider.__file__).parent)


@dataclass
class Walk:
    """The calls of this package while something is done, in all threads."""

    files: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Count one event of the profiler."""
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            self.files.append(code.co_filename)
            place = f"{Path(code.co_filename).relative_to(PACKAGE)}:{frame.f_lineno}"
            self.steps.append(f"{'  ' * _depth(frame)}{code.co_qualname}  {place}")

    def __str__(self) -> str:
        changes = sum(before != after for before, after in pairwise(self.files))
        return f"{len(self.files):6} {len(set(self.files)):6} {changes:8}"


def _depth(frame: FrameType) -> int:
    """Return how many calls of this package a call is inside of, in its thread."""
    depth, outer = 0, frame.f_back
    while outer is not None:
        depth += outer.f_code.co_filename.startswith(PACKAGE)
        outer = outer.f_back
    return depth


def walk(work: Callable[[], object]) -> Walk:
    """Do something twice, and count the second time."""
    work()
    counted = Walk()
    threading.setprofile(counted.note)
    sys.setprofile(counted.note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return counted


def prepare_message(lark: Emulator) -> Callable[[], object]:
    """Send a text, the token in memory; each to another receiver, since each gets 4 a second."""
    client = LarkServiceClient(app_id=lark.app_id, app_secret=lark.app_secret, base_url=lark.base_url)
    people = iter([lark.add_user()["open_ids"][lark.app_id] for _ in range(2)])
    return lambda: client.messaging.send_text(next(people), "hello")


def prepare_record(lark: Emulator) -> Callable[[], object]:
    """Write a record, the table's fields in memory."""
    client = LarkServiceClient(app_id=lark.app_id, app_secret=lark.app_secret, base_url=lark.base_url)
    bitable = client.clouddoc.bitable
    base = bitable.create_app("Walks").data["app"]["app_token"]
    table = bitable.create_table(base, "Rows", [{"field_name": "Name", "type": 1}]).data["table_id"]
    return lambda: bitable.create_record(base, table, {"Name": "a"})


def prepare_secret(lark: Emulator) -> Callable[[], object]:
    """Call in the name of an app for the first time, its secret in the registry."""
    from lark_provider.storage.applications import ApplicationManager

    registry = ApplicationManager()
    lark.add_app("cli_walks", "of-walks")
    for app_id, app_secret in ((lark.app_id, lark.app_secret), ("cli_walks", "of-walks")):
        registry.create_application(app_id, app_secret, base_url=lark.base_url)
    calls = iter([LarkServiceClient(app_id=app_id).bot.info for app_id in (lark.app_id, "cli_walks")])

    def work() -> None:
        next(calls)()

    return work


def prepare_click(_: Emulator) -> Callable[[], object]:
    """Take a click from the gateway's door to where it is stored, and answer it."""
    from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway
    from lark_provider.callbacks.http.stores import configured_sinks
    from lark_provider.storage import migrate, urls
    from tests.callbacks.parts import KnownKeys
    from tests.protocol.callbacks import sender

    url = f"sqlite:///{os.environ['LARK_WALKS']}/clicks.db"
    migrate.upgrade(urls.parse(url, "walks"))
    keys = KnownKeys(CallbackKeys(sender.APP, sender.KEY, sender.TOKEN))
    gateway = Gateway(
        keys, configured_sinks(database_url=url)[0], endpoint=Endpoint(clock=lambda: sender.NOW)
    )
    loop = asyncio.new_event_loop()
    places = iter(range(100))

    def work() -> None:
        content = sender.card()
        content["header"]["event_id"] = f"walk{next(places)}"
        body = sender.seal_body(content)
        answer = loop.run_until_complete(gateway.answer(sender.APP, sender.make_headers(body), body))
        assert answer.status == 200  # noqa: PLR2004, S101 - else something else was counted

    return work


def prepare_notification(lark: Emulator) -> Callable[[], object]:
    """Notify a chat of a failed task."""
    from lark_provider.notifications.lark import LarkNotifier

    connection = {"conn_type": "lark", "login": lark.app_id, "password": lark.app_secret}
    os.environ["AIRFLOW_CONN_LARK_DEFAULT"] = json.dumps({**connection, "host": lark.base_url})
    known = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "max_tries": 1}
    task: dict[str, Any] = {"state": "failed", "log_url": "http://airflow/log", **known}
    context = {"ti": SimpleNamespace(**task), "exception": RuntimeError("boom"), "run_id": "r"}
    return lambda: LarkNotifier(receiver_id="oc_emulator_data_team").notify(context)


WALKS = {
    begin.__name__.removeprefix("prepare_"): begin
    for begin in (prepare_message, prepare_record, prepare_secret, prepare_click, prepare_notification)
}


def main() -> None:
    """Walk, and print a line for each walk; or the calls of the one that is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="?", choices=WALKS, help="print the calls of this one")
    named = parser.parse_args().name
    with tempfile.TemporaryDirectory() as folder, Emulator() as lark:
        lark.settings(rate_limits=False)
        os.environ |= {"LARK_WALKS": folder, "LARK_REGISTRY_PATH": f"{folder}/applications.db"}
        os.environ.setdefault("AIRFLOW_HOME", f"{folder}/airflow")
        from lark_provider.storage.crypto import KEY_VARIABLE, generate_key

        os.environ[KEY_VARIABLE] = generate_key()
        if named is not None:
            print("\n".join(walk(WALKS[named](lark)).steps))
            return
        print(f"{'':14} {'calls':>6} {'files':>6} {'changes':>8}")
        for name, begin in WALKS.items():
            print(f"{name:14} {walk(begin(lark))}")


if __name__ == "__main__":
    main()
