from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.storage import urls
from lark_provider.storage.hitl_cards import QuestionCards
from lark_provider.storage.hitl_questions import Questions
from tests.bridge.site import Site
from tests.bridge.stand_in import serving
from tests.storage import prepared
from tests.storage.conftest import _closed_engines, key  # noqa: F401 - fixtures


@pytest.fixture
def postgres(database_url: str) -> URL:
    """Return the URL of a PostgreSQL database, upgraded to the current schema."""
    parsed_url = urls.parse(database_url, "test")
    prepared.upgrade(parsed_url)
    return parsed_url


@pytest.fixture
def sqlite(tmp_path: Path) -> URL:
    """Return the URL of a SQLite database, upgraded to the current schema."""
    parsed_url = urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")
    prepared.upgrade(parsed_url)
    return parsed_url


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest) -> URL:
    """Return the URL of an upgraded database, of each kind in turn."""
    chosen_url: URL = request.getfixturevalue(request.param)
    return chosen_url


@pytest.fixture
def questions(url: URL) -> Questions:
    return Questions(url)


@pytest.fixture
def cards(url: URL) -> QuestionCards:
    return QuestionCards(url)


@pytest.fixture
def site(lark: Emulator, url: URL, tmp_path: Path) -> Iterator[Site]:
    routes = tmp_path / "lark.yaml"
    routes.write_text("routes: [{dag: '*', what: failures, to: oc_team}]\n")
    with serving() as airflow:
        bridge_site = Site(airflow, url, lark, routes)
        bridge_site.poll()  # Failures are reported from then on.
        yield bridge_site
