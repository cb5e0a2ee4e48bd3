"""All apps of a registry in one process: they come, go and change while it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.callbacks.websocket import roster
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.storage.errors import StorageError
from tests.callbacks.longconn.larkside import SECONDS, LarkSide, Link
from tests.callbacks.longconn.listening import IMPATIENT, SECRET, Listening, click, event_id, until
from tests.protocol.callbacks import sender

WRONG = {"code": 1000040345, "msg": "app_id or app_secret is wrong"}


class Listen(Protocol):
    """Starts a listener."""

    def __call__(self, *named: str, app_id: str = "") -> Listening:
        """Start a listener for the registry or named apps of it, and for the app of the environment."""


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApplicationManager:
    """Return an empty registry."""
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "applications.db"))
    return ApplicationManager()


@pytest.fixture
def listen(lark: LarkSide, apps: ApplicationManager, tmp_path: Path) -> Iterator[Listen]:
    """Yield a function that starts listeners; end them after the test, and check that no secret is logged."""
    started: list[Listening] = []

    def listen(*named: str, app_id: str = "") -> Listening:
        registry = {name: os.environ[name] for name in (KEY_VARIABLE, "LARK_REGISTRY_PATH")}
        own = {"LARK_APP_ID": app_id, "LARK_APP_SECRET": SECRET if app_id else ""}
        command = (*IMPATIENT, "", "", "", *named)
        started.append(Listening(lark, tmp_path, command, own | registry))
        return started[-1]

    yield listen
    for listener in started:
        listener.close()
        assert SECRET not in listener.log
        assert listener.process.returncode == 1 or "Traceback" not in listener.log


def works(link: Link, listening: Listening) -> None:
    content = click(link.app_id)
    assert link.ask(content).said == json.loads(RECEIVED)
    assert listening.count_stored()[event_id(content)] == 1


def test_one_process_serves_all_active_apps_and_that_of_the_environment(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    for name in ("cli_a", "cli_b", "cli_off"):
        apps.create_application(name, SECRET)
    apps.disable_application("cli_off")
    listening = listen(app_id="cli_own")
    links = lark.wait_for_links("cli_a", "cli_b", "cli_own")
    for link in links.values():
        works(link, listening)
    links["cli_a"].cut()
    works(lark.wait_for_links("cli_a")["cli_a"], listening)
    assert not links["cli_b"].closed.is_set()
    assert listening.stop() == 0
    assert all(link.closed.wait(SECONDS) for link in links.values())
    assert {request["AppID"] for request in lark.requests} == {"cli_a", "cli_b", "cli_own"}


def test_only_named_apps_are_served(lark: LarkSide, apps: ApplicationManager, listen: Listen) -> None:
    for name in ("cli_a", "cli_b", "cli_c"):
        apps.create_application(name, SECRET)
    listening = listen("cli_a", "cli_c", app_id="cli_own")
    for link in lark.wait_for_links("cli_a", "cli_c").values():
        works(link, listening)
    assert listening.stop() == 0
    assert {request["AppID"] for request in lark.requests} == {"cli_a", "cli_c"}


def test_an_app_is_added_disabled_and_enabled_while_it_runs(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    apps.create_application("cli_a", SECRET)
    listening = listen()
    first = lark.link()
    apps.create_application("cli_b", SECRET)
    second = lark.link()
    works(second, listening)
    apps.disable_application("cli_a")
    assert first.closed.wait(SECONDS)
    works(second, listening)
    apps.disable_application("cli_b")
    assert second.closed.wait(SECONDS)  # now there is none; it stays, for one may come
    apps.enable_application("cli_a")
    works(lark.wait_for_links("cli_a")["cli_a"], listening)
    assert listening.stop() == 0


def test_a_new_secret_takes_over_without_a_gap_and_a_wrong_one_changes_nothing(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    apps.create_application("cli_a", SECRET)
    lark.secrets["cli_a"] = SECRET
    listening = listen()
    before = lark.link()
    apps.update_application("cli_a", app_secret="mistyped")
    until(lambda: "Lark refuses the long connection of the app" in listening.log, "it was not tried")
    works(before, listening)
    lark.secrets["cli_a"] = "the-newer-secret"
    apps.update_application("cli_a", app_secret="the-newer-secret")
    after = lark.link()
    assert before.closed.wait(SECONDS)
    works(after, listening)
    until(lambda: "Long connection closed" in listening.log, "the old one is not gone")
    assert not after.closed.is_set()
    assert lark.links.empty()
    assert listening.stop() == 0
    assert "mistyped" not in listening.log
    assert "the-newer-secret" not in listening.log


def test_a_secret_that_works_late_is_used_while_the_newest_one_is_refused(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    apps.create_application("cli_a", SECRET)
    listening = listen()
    before = lark.link()
    lark.endpoint.extend([503] * 1000)  # Lark is unreachable.
    for secret in ("the-newer-secret", "mistyped"):
        apps.update_application("cli_a", app_secret=secret)
        until(lambda s=secret: s in {request["AppSecret"] for request in lark.requests}, "it was not tried")  # type: ignore[misc]
    lark.secrets["cli_a"] = "the-newer-secret"
    lark.endpoint.clear()
    after = lark.link()
    assert before.closed.wait(SECONDS)
    until(lambda: "Lark refuses the long connection of the app" in listening.log, "the newest was not tried")
    works(after, listening)
    assert not after.closed.is_set()
    assert listening.stop() == 0


def test_an_app_that_is_refused_does_not_stop_the_others(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    for name in ("cli_a", "cli_b"):
        apps.create_application(name, SECRET)
    lark.refused["cli_a"] = WRONG
    listening = listen()
    good = lark.wait_for_links("cli_b")["cli_b"]
    until(lambda: listening.log.count("Lark refuses the long connection of the app") > 1, "not tried again")
    works(good, listening)
    del lark.refused["cli_a"]  # it was corrected in the console
    works(lark.wait_for_links("cli_a")["cli_a"], listening)
    assert listening.stop() == 0


def test_if_all_are_refused_from_the_start_it_ends_and_says_why(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    for name in ("cli_a", "cli_b"):
        apps.create_application(name, SECRET)
    lark.refused = {"cli_a": WRONG, "cli_b": {"code": 403, "msg": "forbidden"}}
    listening = listen()
    assert listening.process.wait(SECONDS) == 1
    assert "None of 2 apps can be listened for. Lark refused the long connection of" in listening.log


def test_an_app_whose_secret_cannot_be_read_does_not_stop_the_others(
    lark: LarkSide, apps: ApplicationManager, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps.create_application("cli_a", SECRET)
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    ApplicationManager().create_application("cli_b", SECRET)
    listening = listen()
    works(lark.wait_for_links("cli_b")["cli_b"], listening)
    assert "App skipped: no usable credentials app_id=cli_a" in listening.log
    assert listening.stop() == 0


def test_a_registry_that_is_missing_or_damaged_for_a_while_ends_nothing(
    lark: LarkSide, apps: ApplicationManager, listen: Listen, tmp_path: Path
) -> None:
    apps.create_application("cli_a", SECRET)
    listening = listen()
    link = lark.link()
    file = tmp_path / "applications.db"
    file.rename(tmp_path / "elsewhere")
    until(lambda: "got no file" in listening.log, "it was not missed")
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"no database" * 1000)
    damaged.rename(file)
    works(link, listening)
    (tmp_path / "elsewhere").rename(file)
    ApplicationManager().create_application("cli_b", SECRET)
    works(lark.wait_for_links("cli_b")["cli_b"], listening)
    works(link, listening)
    assert listening.stop() == 0


def test_a_registry_that_is_copied_back_is_not_one_without_apps(
    apps: ApplicationManager, tmp_path: Path
) -> None:
    apps.create_application("cli_a", SECRET)
    assert list(roster.load(needs_registry=True).apps) == ["cli_a"]
    file = tmp_path / "applications.db"
    stored = file.read_bytes()
    file.write_bytes(b"")
    with pytest.raises(StorageError, match="got an empty file"):
        roster.load(needs_registry=True)
    assert file.stat().st_size == 0
    file.write_bytes(stored)
    assert list(roster.load(needs_registry=True).apps) == ["cli_a"]


def test_a_delivery_for_another_app_is_rejected(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    for name in ("cli_a", "cli_b"):
        apps.create_application(name, SECRET)
    listening = listen()
    links = lark.wait_for_links("cli_a", "cli_b")
    assert links["cli_a"].ask(click("cli_b")).code == 500
    assert links["cli_a"].ask(sender.make_event_1()).code == 500  # of sender.APP
    works(links["cli_a"], listening)
    assert listening.stop() == 0


def test_twenty_apps_take_one_process_and_80_mb(
    lark: LarkSide, apps: ApplicationManager, listen: Listen
) -> None:
    lark.pace["PingInterval"] = 30  # a busy machine answers no ping of twenty within a second
    names = [f"cli_{number}" for number in range(20)]
    for name in names:
        apps.create_application(name, SECRET)
    listening = listen()
    links = lark.wait_for_links(*names)
    for link in links.values():
        works(link, listening)
    for link in links.values():  # all at once
        link.cut()
    for link in lark.wait_for_links(*names).values():
        works(link, listening)
    assert listening.children == []
    assert listening.memory < 80
    print(f"20 apps: {listening.memory:.0f} MB")  # noqa: T201 - for the report
    assert listening.stop() == 0
