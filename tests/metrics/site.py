"""Gateway, pump and a program as processes, each with metrics."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from tests.callbacks import mq
from tests.callbacks.commands import ROOT, Command, gateway
from tests.metrics.program import QUESTIONS
from tests.protocol.callbacks import sender
from tests.services.processes import free_port
from tests.services.rabbitmq import OwnRabbit


class Site:
    """Gateway, pump and a program, a Prometheus that scrapes them, and a local Lark.

    Args:
        started: Ends all of them.
        lark: The local Lark.
        broker: RabbitMQ.
        url: The database, with our tables.
        folder: For logs.
    """

    def __init__(self, started: ExitStack, lark: Emulator, broker: OwnRabbit, url: URL, folder: Path) -> None:
        settings = {
            "RABBITMQ_URL": broker.url,
            "LARK_DATABASE_URL": url.render_as_string(hide_password=False),
        }
        self.ports = [free_port() for _ in range(3)]
        words = [("--metrics-port", str(port)) for port in self.ports]
        self.gateway = gateway(folder / "gateway", free_port(), *words[0], LOG_FORMAT="json", **settings)
        self.pump = Command(folder / "pump", "pump", *words[1], settings=settings)
        self.url = self.gateway.start().removeprefix("Callbacks at ").replace("{app_id}", sender.APP)
        started.callback(self.gateway.end)
        self.pump.start()
        started.callback(self.pump.end)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTGRES_")}
        ours = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            "LARK_PACING": "1",
        }
        log = started.enter_context((folder / "program").open("wb"))
        self._program = started.enter_context(
            subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", "tests.metrics.program", str(self.ports[2])],
                env={**inherited, "PYTHONPATH": ROOT, **settings, **ours},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        )
        assert self._program.stdin is not None
        started.callback(self._program.stdin.close)
        assert self._program.stdout is not None
        self.questions = self._program.stdout.readline().split()
        assert len(self.questions) == QUESTIONS, (folder / "program").read_text()

    def click(self, event_id: str, key: str = sender.KEY, value: dict[str, Any] | None = None) -> int:
        """Click, and return the status of the answer."""
        content = mq.card(event_id, value=value)
        content["header"]["token"] = sender.TOKEN
        content["header"]["create_time"] = str(int(time.time() * 1_000_000))
        body = sender.seal_body(content, key)
        headers = sender.make_headers(body, key, timestamp=str(int(time.time())))
        return httpx.post(self.url, content=body, headers=headers, timeout=10).status_code
