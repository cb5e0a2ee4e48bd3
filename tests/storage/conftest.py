from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from tests.storage import prepared


@pytest.fixture(autouse=True)
def _closed_engines() -> Iterator[None]:
    """What a test opened in this process is closed after it."""
    yield
    while engines._engines:
        engines._engines.popitem()[1].dispose()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The operator's key, in the environment."""
    fernet_key = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, fernet_key)
    return fernet_key


@pytest.fixture
def postgres(database_url: str) -> URL:
    """An empty PostgreSQL database."""
    return urls.parse(database_url, "test")


@pytest.fixture
def sqlite(tmp_path: Path) -> URL:
    """A SQLite file that is not there yet."""
    return urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")


@pytest.fixture(params=["postgres", "sqlite"])
def empty(request: pytest.FixtureRequest) -> URL:
    """A database with nothing in it, of either kind."""
    empty_url: URL = request.getfixturevalue(request.param)
    return empty_url


@pytest.fixture
def url(empty: URL) -> URL:
    """A database that is up to date, of either kind."""
    prepared.upgrade(empty)
    return empty
