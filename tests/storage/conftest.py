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
    """Close the database connections that a test opened in this process."""
    yield
    while engines._engines:
        engines._engines.popitem()[1].dispose()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """Generate the operator's key, set it in the environment, and return it."""
    fernet_key = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, fernet_key)
    return fernet_key


@pytest.fixture
def postgres(database_url: str) -> URL:
    """Return the URL of an empty PostgreSQL database."""
    return urls.parse(database_url, "test")


@pytest.fixture
def sqlite(tmp_path: Path) -> URL:
    """Return the URL of a SQLite file that does not exist yet."""
    return urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")


@pytest.fixture(params=["postgres", "sqlite"])
def empty(request: pytest.FixtureRequest) -> URL:
    """Return the URL of an empty database, of each kind in turn."""
    empty_url: URL = request.getfixturevalue(request.param)
    return empty_url


@pytest.fixture
def url(empty: URL) -> URL:
    """Return the URL of an up-to-date database, of each kind in turn."""
    prepared.upgrade(empty)
    return empty
