from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from tests.storage import prepared


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """Create an up-to-date database of either kind, set its URL in the environment, and yield the URL."""
    if request.param == "postgres":
        text = str(request.getfixturevalue("database_url"))
    else:
        text = f"sqlite:///{tmp_path}/lark.db"
    parsed = urls.parse(text, "test")
    prepared.upgrade(parsed)
    monkeypatch.setenv("LARK_DATABASE_URL", text)
    yield parsed
    while engines._engines:
        engines._engines.popitem()[1].dispose()


@pytest.fixture
def app(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Return the emulator, with its app in the environment."""
    monkeypatch.setenv("LARK_APP_ID", lark.app_id)
    monkeypatch.setenv("LARK_APP_SECRET", lark.app_secret)
    monkeypatch.setenv("LARK_BASE_URL", lark.base_url)
    return lark
