"""All that runs: servers of its own, gateways, pumps and a waiter, as they are deployed."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cryptography.fernet import Fernet

from lark_provider.callbacks.broker.topology import CARDS, DEAD
from lark_provider.storage import migrate, urls
from tests.callbacks import mq
from tests.callbacks.commands import Command, ready
from tests.protocol.callbacks import sender
from tests.services.postgres import Databases, OwnPostgres
from tests.services.processes import HOST, OwnServer, free_port
from tests.services.rabbitmq import OwnRabbit
from tests.soak.crowd import Keys
from tests.soak.metered import make_folder
from tests.soak.plan import CUT_OFF, GATEWAYS, POSTGRES, PUMPS, RABBITMQ, SECRETS, WAITER
from tests.soak.relay import Relay
from tests.soak.supervised import Supervised
from tests.soak.waiter import Waiter

_OURS = ("LARK_", "POSTGRES_", "RABBITMQ_", "AIRFLOW")
_ROOT = str(Path(__file__).parents[2])
_METRICS = ("--metrics-port", "0")
_NOTED_SECONDS = 1.0  # RabbitMQ notes a quorum queue half a second after it was declared
_READY_SECONDS, _LOOK_SECONDS = 120.0, 0.1
_LOG_BYTES = 5_000_000
"""A log that is larger is begun again: a process that logs without end must not fill the disk."""


class Site:
    """Gateways, pumps and a waiter, with a PostgreSQL and a RabbitMQ of their own.

    Args:
        folder: For logs and the registry.
        note: Takes what happens, in words.
        on_answer: See `Waiter`.

    Attributes:
        server: PostgreSQL.
        node: RabbitMQ.
        database: The URL of the database.
        relay: The path to it of the pump that is cut off.
        gateways: The callback URLs of our app.
        keys: What its clicks are signed with.
        env: The environment of a process that finds all of it.
    """

    def __init__(
        self, folder: Path, note: Callable[[str], None], on_answer: Callable[[str, tuple[str, ...]], None]
    ) -> None:
        self._folder, self._note = folder, note
        self.server, self.node = OwnPostgres(), OwnRabbit()
        self.relay = Relay(self.server.port)
        self._servers: Mapping[str, OwnServer] = {POSTGRES: self.server, RABBITMQ: self.node}
        self._ports = {name: free_port() for name in GATEWAYS}
        self.keys = Keys(secrets.token_hex(16), secrets.token_hex(16))
        self._registry = {
            "LARK_REGISTRY_PATH": str(folder / "applications.db"),
            "LARK_CONFIG_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        }
        self.database = ""
        self.env: dict[str, str] = {}
        self.processes: dict[str, Supervised] = {}
        self._on_answer = on_answer
        self.waiter: Waiter

    @property
    def gateways(self) -> list[str]:
        """Return the URLs to which Lark sends clicks, one for each gateway."""
        return [self.gateway(name, sender.APP) for name in GATEWAYS]

    def gateway(self, name: str, app_id: str) -> str:
        """Return the URL to which Lark sends an app's clicks, by one of the gateways."""
        return f"http://{HOST}:{self._ports[name]}/lark/callbacks/{app_id}"

    async def open(self) -> None:
        """Start everything, and wait until the gateways are ready."""
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self._servers.values()))
        self.database = Databases(self.server.server).make()
        await asyncio.to_thread(self._prepare)
        self.env = self._environment(self.database)
        logs = {name: self._folder / f"{name}.log" for name in (*GATEWAYS, *PUMPS, WAITER)}
        await self.relay.open()
        relayed = self.database.replace(f":{self.server.port}/", f":{self.relay.port}/")
        for name in GATEWAYS:
            serve = ("serve", "--port", str(self._ports[name]), *_METRICS)
            self._supervise(
                name, Command(logs[name], *serve, settings=self._add_metrics_folder(name, self.database))
            )
        for name in PUMPS:
            url = relayed if name == CUT_OFF else self.database
            self._supervise(
                name, Command(logs[name], "pump", *_METRICS, settings=self._add_metrics_folder(name, url))
            )
        metered = self.env | self._add_metrics_folder(WAITER, self.database)
        self.waiter = Waiter(metered, logs[WAITER], self._on_answer)
        self._supervise(WAITER, self.waiter)
        await asyncio.gather(*(process.start() for process in self.processes.values()))
        async with asyncio.timeout(_READY_SECONDS):
            for url in self.gateways:
                while not await asyncio.to_thread(ready, url):  # noqa: ASYNC110 - it is asked
                    await asyncio.sleep(_LOOK_SECONDS)

    async def kill(self, name: str) -> None:
        """Kill a process or a server, and go on once it runs again."""
        if name in self.processes:
            await self.processes[name].kill()
            return
        server = self._servers[name]
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

    async def freeze(self, name: str) -> None:
        """Have a process or a server stand still."""
        await asyncio.to_thread(self._either(name, "freeze", "pause"))

    async def thaw(self, name: str) -> None:
        """Have it go on."""
        await asyncio.to_thread(self._either(name, "thaw", "resume"))

    async def rotate(self, which: list[str]) -> Keys:
        """Give the registry new keys of our app.

        Args:
            which: Of `plan.SECRETS`.

        Returns:
            What Lark signs with from now on, or soon.
        """
        encrypt_key, token = self.keys.encrypt_key, self.keys.verification_token
        if SECRETS[0] in which:
            encrypt_key = secrets.token_hex(16)
        if SECRETS[1] in which:
            token = secrets.token_hex(16)
        new = dict(zip(SECRETS, (encrypt_key, token), strict=True))
        await asyncio.to_thread(self._app, {name: new[name] for name in which}, "update", sender.APP)
        return Keys(encrypt_key, token)

    def add_app(self, app_id: str, secret: str, keys: Keys) -> None:
        """Give the registry an app."""
        callback_keys = dict(zip(SECRETS, (keys.encrypt_key, keys.verification_token), strict=True))
        self._app({"app-secret": secret, **callback_keys}, "add", "--app-id", app_id)

    def trim(self) -> None:
        """Begin logs again that have become too long."""
        for log in (*self._folder.glob("*.log"), *(server.log for server in self._servers.values())):
            if log.exists() and log.stat().st_size > _LOG_BYTES:
                os.truncate(log, 0)
                self._note(f"{log.name} had {_LOG_BYTES} bytes, and is begun again")

    def list_left(self) -> tuple[list[str], list[str]]:
        """Drain both queues; return the event ids of clicks still queued, and of dead-lettered clicks."""
        queued, dead = (mq.list_ids(mq.drain(self.node.url, queue)) for queue in (CARDS, DEAD))
        return queued, dead

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*(process.stop() for process in self.processes.values()))
        await self.relay.close()
        for server in self._servers.values():
            await asyncio.to_thread(server.close)

    def _prepare(self) -> None:
        migrate.upgrade(urls.parse(self.database, "the soak's database"))
        mq.declare(self.node.url)
        self.add_app(sender.APP, "a-secret", self.keys)

    def _ours(self, database: str) -> dict[str, str]:
        return {"LARK_DATABASE_URL": database, "RABBITMQ_URL": self.node.url, **self._registry}

    def _add_metrics_folder(self, name: str, database: str) -> dict[str, str]:
        return {**self._ours(database), "PROMETHEUS_MULTIPROC_DIR": str(make_folder(self._folder, name))}

    def _environment(self, database: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**kept, "PYTHONPATH": _ROOT, **self._ours(database)}

    def _app(self, app_secrets: Mapping[str, str], *words: str) -> None:
        """Run `lark-provider app …` with secrets, which the list of processes does not show."""
        env = self._environment(self.database) | {
            f"SOAK-{name}": value for name, value in app_secrets.items()
        }
        options = [word for name in app_secrets for word in (f"--{name}", f"env:SOAK-{name}")]
        command = [sys.executable, "-m", "lark_provider.cli", "app", *words, *options]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours

    def _supervise(self, name: str, command: Command | Waiter) -> None:
        self.processes[name] = Supervised(name, command, self._note)

    def _either(self, name: str, of_process: str, of_server: str) -> Callable[[], None]:
        if name in self.processes:
            return partial(getattr(self.processes[name], of_process))
        return partial(getattr(self._servers[name], of_server))
