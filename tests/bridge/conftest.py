from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import engine as engines
from lark_provider.storage import migrate, urls
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key


@pytest.fixture(autouse=True)
def _closed_engines() -> Iterator[None]:
    """What a test opened in this process is closed after it."""
    yield
    while engines._engines:
        engines._engines.popitem()[1].dispose()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The operator's key, in the environment."""
    made = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, made)
    return made


@pytest.fixture
def postgres(database_url: str) -> URL:
    """A PostgreSQL database that is up to date."""
    found = urls.parse(database_url, "test")
    migrate.upgrade(found)
    return found


@pytest.fixture
def sqlite(tmp_path: Path) -> URL:
    """A SQLite database that is up to date."""
    found = urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")
    migrate.upgrade(found)
    return found


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest) -> URL:
    """A database of either kind."""
    found: URL = request.getfixturevalue(request.param)
    return found
