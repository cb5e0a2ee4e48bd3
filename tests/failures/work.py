"""What the processes of a crowd do."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from lark_provider import AsyncLarkServiceClient, LarkServiceClient, config
from lark_provider.engine import fallback_store
from lark_provider.engine.runtime import PROCESS
from lark_provider.protocol.tokens import Token
from lark_provider.storage import engine, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.engine import get_engine
from lark_provider.storage.token_store import TokenStore
from tests.runtimes import own_tokens
from tests.storage import prepared


def call(timeout: float = 30.0, **settings: Any) -> int:
    """Make a call with a new client, and return its code."""
    return LarkServiceClient(timeout=timeout, **settings).call("GET", "/im/v1/chats").code


def call_without_haste() -> int:
    """Make a call with long query timeouts, because dozens of processes start at once on few processors."""
    fallback_store.FIRST_QUERY_SECONDS = fallback_store.QUERY_SECONDS = 60.0
    engine.BUSY_SECONDS = 60
    return call(timeout=120.0)


def add_app(app_id: str, secret: str = "") -> str:
    """Add an app to the registry, by default with this process's pid as its secret."""
    return ApplicationManager().create_application(app_id, secret or str(os.getpid())).app_id


def add_own_app() -> str:
    """Add an app whose id contains this process's pid."""
    return add_app(f"cli_{os.getpid()}")


def upgrade(url: str) -> None:
    """Upgrade a database to the current schema."""
    prepared.upgrade(urls.parse(url, "test"))


def keep_token(url: str) -> None:
    """Store a token in a database that may not exist yet."""
    store = TokenStore(urls.parse(url, "test"), "cli_a", "secret")
    store.put(str(os.getpid()), Token("t-1", 0.0, 7200.0), clock=lambda: 0.0, owner="o")


class _Freezing(TokenStore):
    """The store of a process that freezes inside the transaction in which it takes the lease."""

    def _read_usable(
        self, connection: Connection, key: str, now: float, rejected: str | None
    ) -> Token | None:
        os.kill(os.getpid(), signal.SIGSTOP)
        return super()._read_usable(connection, key, now, rejected)


def freeze_inside_a_claim() -> bool:
    """Claim the token of the configured app, and stop this process by a signal inside the transaction."""
    app = config.find_app(None, None, None)
    assert app is not None
    store = _Freezing(urls.database(), app.app_id, app.app_secret)
    return store.claim(app.token_key, now=time.time(), owner="frozen", lease_seconds=10).won


class _Stopping(EncryptionKeys):
    """Keys of a process that is stopped when it has sealed some apps again."""

    left = 0

    def seal(self, text: str, place: Sequence[str]) -> str:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        self.left -= 1
        return super().seal(text, place)


def rotate(keys: str) -> int:
    """Rotate the keys of the registry, and return how many apps were sealed again."""
    return len(ApplicationManager(keys=EncryptionKeys(keys)).reseal())


def rotate_and_stop(keys: str, after: int) -> int:
    """Rotate the keys of the registry, and stop this process by a signal after some apps."""
    stopping = _Stopping(keys)
    stopping.left = after
    return len(ApplicationManager(keys=stopping).reseal())


def backend_pid() -> int:
    """Return the pid of the database's process that serves this process's pooled connection."""
    with get_engine(urls.database()).connect() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def call_later(seconds: float) -> str:
    """Make a call with a clock that is `seconds` ahead, and return the token that it used."""
    client = LarkServiceClient()
    client._session.clock = lambda: time.time() + seconds
    client.call("GET", "/im/v1/chats")
    [token] = [kept.value for kept in client._session.runtime.tokens._tokens.values()]
    return token


def forget() -> None:
    """Clear the token cache of this process."""
    PROCESS.tokens._tokens.clear()


def threads() -> int:
    """Return how many threads this process has."""
    return threading.active_count()


def open_files() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def many_clients(count: int) -> int:
    """Make calls with new clients, some without a cached token; return how many files stayed open."""
    before = 0
    for number in range(count):
        if number % 5 == 0:
            forget()
        with LarkServiceClient() as client:
            client.call("GET", "/im/v1/chats")
        if number == 10:
            before = open_files()
    return open_files() - before


def many_async_clients(count: int) -> int:
    """Make calls with new async clients, some without a cached token; return how many files stayed open."""

    async def each() -> int:
        before = 0
        for number in range(count):
            if number % 5 == 0:
                forget()
            async with AsyncLarkServiceClient() as client:
                await client.call("GET", "/im/v1/chats")
            if number == 10:
                before = open_files()
        return open_files() - before

    return asyncio.run(each())


def call_without_tokens(count: int) -> int:
    """Make calls concurrently in one event loop, each with a client whose token cache is empty."""

    async def call() -> None:
        client = AsyncLarkServiceClient()
        own_tokens(client)
        await client.call("GET", "/im/v1/chats")

    async def together() -> None:
        await asyncio.gather(*(call() for _ in range(count)))

    asyncio.run(together())
    return count


def call_without_threads() -> int:
    """Make a call where the address space is too small to start another thread."""
    threading.stack_size(1 << 28)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 27), resource.RLIM_INFINITY))
    return call()


def keep_ticket(ticket: str) -> None:
    """Store a ticket of a store app."""
    LarkServiceClient().store_app.keep_ticket(ticket)


def call_for(tenant_key: str) -> int:
    """Make a call of a store app for a tenant, and return its code."""
    return LarkServiceClient(tenant_key=tenant_key).call("GET", "/bot/v3/info").code
