"""Several processes at one database: nothing is lost, made twice or left half done."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import migrate, tables
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.engine import get_engine
from lark_provider.storage.token_store import TokenStore
from tests.failures import work
from tests.failures.crowd import Crowd, unwrap_values
from tests.failures.waiting import is_stopped, wait_until
from tests.storage.test_migrations import list_tables

MANY = 8


@pytest.fixture
def place(empty: URL, key: str, monkeypatch: pytest.MonkeyPatch) -> URL:
    """Set a registry's URL in the environment: PostgreSQL is up to date, a file does not exist yet."""
    if empty.drivername != "sqlite":
        migrate.upgrade(empty)
    monkeypatch.setenv("LARK_REGISTRY_PATH", empty.render_as_string(hide_password=False))
    return empty


def test_of_several_who_add_an_app_one_does(place: URL) -> None:
    with Crowd(MANY) as crowd:
        outcomes = crowd.all(work.add_app, "cli_a")
    [winner] = [outcome.pid for outcome in outcomes if not outcome.error]
    assert {outcome.error.partition(" Next: ")[0] for outcome in outcomes if outcome.error} == {
        "ConfigurationError: App 'cli_a' is in the registry already."
    }
    assert ApplicationManager().decrypt_secrets("cli_a").app_secret == str(winner)


def test_apps_added_at_once_are_all_there(place: URL) -> None:
    with Crowd(MANY) as crowd:
        added = unwrap_values(crowd.all(work.add_own_app))
    assert {app.app_id for app in ApplicationManager().list_applications()} == set(added)
    assert len(added) == MANY


def test_several_upgrades_at_once(empty: URL) -> None:
    with Crowd(4) as crowd:
        unwrap_values(crowd.all(work.upgrade, empty.render_as_string(hide_password=False)))
    assert migrate.read_version(get_engine(empty)) == tables.HEAD
    assert migrate.find_differences(empty) == []


def test_several_processes_at_a_file_that_is_not_there_yet(sqlite: URL) -> None:
    with Crowd(MANY) as crowd:
        unwrap_values(crowd.all(work.keep_token, str(sqlite)))
        pids = crowd.pids
    store = TokenStore(sqlite, "cli_a", "secret")
    assert all(store.get(str(pid), now=0.0) is not None for pid in pids)
    assert list_tables(sqlite) >= set(tables.metadata.tables)


def test_a_rotation_that_is_killed_half_way(place: URL, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = ApplicationManager()
    ids = [f"cli_{number}" for number in range(40)]
    for app_id in ids:
        # So long that SQLite has to write to its file in the middle of the transaction.
        apps.create_application(app_id, app_id, description="x" * 100_000)
    new = generate_key()
    with Crowd(1) as crowd:
        [pid] = crowd.pids
        crowd.begin(work.rotate_and_stop, f"{new},{key}", 30)
        wait_until(lambda: is_stopped(pid))
        os.kill(pid, signal.SIGKILL)
    if place.drivername == "sqlite":
        assert Path(f"{place.database}-journal").exists()
    for text in (key, f"{new},{key}", f"{key},{new}"):
        some = ApplicationManager(keys=EncryptionKeys(text))
        assert [some.decrypt_secrets(app_id).app_secret for app_id in ids] == ids
    assert len(ApplicationManager(keys=EncryptionKeys(f"{new},{key}")).reseal()) == len(ids)
    monkeypatch.setenv(KEY_VARIABLE, new)
    assert [ApplicationManager().decrypt_secrets(app_id).app_secret for app_id in ids] == ids
