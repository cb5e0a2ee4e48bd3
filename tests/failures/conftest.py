from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from lark_emulator import Emulator

from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine
from tests.client.conftest import TOKENS, count
from tests.services.plugin import StartServer
from tests.services.postgres import OwnPostgres
from tests.storage import prepared

TOKEN_PATH = "*/tenant_access_token/internal"
Ask = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def server(start_postgres: StartServer[OwnPostgres], monkeypatch: pytest.MonkeyPatch) -> OwnPostgres:
    """Start a PostgreSQL server with room for many connections, upgraded and set in the environment."""
    postgres = start_postgres({"max_connections": "200"})
    url = urls.parse(postgres.url, "test")
    prepared.upgrade(url)
    get_engine(url).dispose()  # so that only those that a test is about are connected
    monkeypatch.setenv("LARK_DATABASE_URL", postgres.url)
    return postgres


@pytest.fixture
def ask(server: OwnPostgres) -> Iterator[Ask]:
    """Yield a function that executes a statement on the server and returns the rows."""
    with closing(server.server.connect()) as connection, connection.cursor() as cursor:

        def query(statement: str) -> list[tuple[object, ...]]:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield query


@pytest.fixture
def fetched(lark: Emulator) -> Callable[[], int]:
    """Return a function that counts the token requests to Lark, whose rate limits are turned off."""
    lark.settings(rate_limits=False)
    return lambda: count(lark, TOKENS)
