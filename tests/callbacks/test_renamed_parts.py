"""A later pika or uvicorn that has renamed what is not promised: copies of the installed ones, changed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage.engine import get_engine
from lark_provider.storage.tables import card_callbacks
from tests.callbacks import commands, mq
from tests.callbacks.commands import KEYS, ROOT
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender

PRIVATE = ("_AsyncioIOServicesAdapter", "_output_marshaled_frames", "_terminate_stream")
"""What pika does not promise, and an earlier version of this package stood on."""


def copy_renamed(folder: Path, package: str, *names: str) -> str:
    """Copy an installed package into a folder, with names changed; return a PYTHONPATH that finds it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    copy = folder / package
    shutil.copytree(Path(spec.origin).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    renamed = set()
    for file in copy.rglob("*.py"):
        text = file.read_text()
        for name in names:
            text, count = re.subn(rf"(?<![A-Za-z0-9_]){name}\b", f"{name}_renamed", text)
            if count:
                renamed.add(name)
        file.write_text(text)
    assert renamed == set(names)
    return os.pathsep.join([str(folder), ROOT])


def python(path: str, code: str, **settings: str) -> str:
    """Run code where the copy is imported, and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(commands.OURS)}
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**kept, "PYTHONPATH": path, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def render_url(database: URL) -> str:
    return database.render_as_string(hide_password=False)


def click_once(log: Path, settings: Mapping[str, str]) -> int:
    """Start a gateway, click once when it is ready, and return the answer's status."""
    command = commands.Command(log, "serve", "--port", "0", settings={**KEYS, **settings})
    url = command.start().split()[-1].replace("{app_id}", sender.APP)
    try:
        wait_until(lambda: commands.ready(url))
        now = time.time()
        body = sender.seal_body(sender.card(now=now))
        return httpx.post(
            url, content=body, headers=sender.make_headers(body, timestamp=str(int(now)))
        ).status_code
    finally:
        command.end()


def test_rabbitmq_needs_nothing_private_of_pikas(rabbitmq: str, database: URL, tmp_path: Path) -> None:
    path = copy_renamed(tmp_path, "pika", *PRIVATE)
    mq.send(rabbitmq, "card.cli_1", mq.card("taken"))
    code = """
        import asyncio, os
        from lark_provider.callbacks.broker.amqp import read_broker
        from lark_provider.callbacks.broker.confirms import Confirms
        from lark_provider.callbacks.broker.link import open_channel
        from lark_provider.callbacks.broker.pump import Pump
        from lark_provider.callbacks.broker.topology import EXCHANGE
        from lark_provider.callbacks.waiting import make_inbox

        async def publish():
            async with open_channel(read_broker()) as channel:
                await Confirms(channel, "here").publish(EXCHANGE, "event.cli_1", b"{}", "published")

        asyncio.run(publish())
        print(Pump(read_broker(), make_inbox()).run_once(seconds=60))
    """
    assert python(path, code, RABBITMQ_URL=rabbitmq, LARK_DATABASE_URL=render_url(database)) == "1\n"
    with get_engine(database).connect() as connection:
        assert connection.scalars(sa.select(card_callbacks.c.event_id)).all() == ["taken"]


@pytest.fixture
def without(tmp_path: Path) -> str:
    """Return a PYTHONPATH with a pika that cannot be used: its interface for adapters is renamed, too."""
    return copy_renamed(tmp_path, "pika", *PRIVATE, "StreamingConnectionMixin")


def test_what_needs_no_rabbitmq_needs_no_adapter_of_pikas(
    without: str, database: URL, tmp_path: Path
) -> None:
    code = """
        import lark_provider.sensors.card_callback
        import lark_provider.triggers.card_callback, lark_provider.triggers.events
        from lark_provider.callbacks.broker import consumer, pump, receiver
        from lark_provider.callbacks.http import stores
        from lark_provider.callbacks import waiting
        from lark_provider import health
        import pika
        print(pika.__file__)
        print(waiting.read_database_id())
    """
    settings = {"LARK_DATABASE_URL": render_url(database), "AIRFLOW_HOME": str(tmp_path / "home")}
    file, database_id = python(without, code, **settings).splitlines()[-2:]
    assert file == str(tmp_path / "pika" / "__init__.py")
    assert database_id
    status = click_once(tmp_path / "log", {"PYTHONPATH": without, "LARK_DATABASE_URL": render_url(database)})
    assert status == 200
    with get_engine(database).connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(card_callbacks)) == 1


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("pump",)])
def test_using_rabbitmq_names_the_version_and_the_next_step(
    without: str, rabbitmq: str, database: URL, tmp_path: Path, words: tuple[str, ...]
) -> None:
    settings = {"PYTHONPATH": without, "RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": render_url(database)}
    assert read_refusal(tmp_path / "log", *words, settings=settings) == (
        f"lark-provider: pika must be >=1.3,<1.5, got {version('pika')}: cannot import name "
        "'StreamingConnectionMixin' from 'pika.adapters.utils.io_services_utils' "
        f"({tmp_path}/pika/adapters/utils/io_services_utils.py). Next: pip install 'pika>=1.3,<1.5', and "
        "report this.\n"
    )


def test_a_uvicorn_that_has_changed_is_named_before_anything_is_served(database: URL, tmp_path: Path) -> None:
    path = copy_renamed(tmp_path, "uvicorn", "cycle")
    settings = {"PYTHONPATH": path, "LARK_DATABASE_URL": render_url(database)}
    assert read_refusal(tmp_path / "log", "serve", "--port", "0", settings=settings) == (
        f"lark-provider: uvicorn must be >=0.30,<0.55, got {version('uvicorn')}, whose HTTP protocol "
        "has changed: cycle. Next: pip install 'uvicorn>=0.30,<0.55', and report this.\n"
    )


def read_refusal(log: Path, *words: str, settings: Mapping[str, str]) -> str:
    """Run a command that refuses to start, and return its log."""
    command = commands.Command(log, *words, settings={**KEYS, **settings})
    with suppress(AssertionError):  # it prints no first line
        raise RuntimeError(command.start())
    assert command.process is not None
    assert command.process.wait(mq.LIMIT) == 1
    assert command.process.stdout is not None
    command.process.stdout.close()
    return log.read_text()
