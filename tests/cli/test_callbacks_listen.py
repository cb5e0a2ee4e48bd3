from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from lark_provider.callbacks.endpoint import RECEIVED
from tests.callbacks.longconn.larkside import SECONDS, lark_side
from tests.callbacks.longconn.listening import Listening, click, event_id
from tests.cli.conftest import COMMAND, failed, run_process


def refused(*argv: str) -> str:
    return failed(run_process("callbacks", "listen", *argv))


@pytest.fixture
def _database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")


@pytest.fixture
def _app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_BASE_URL", "http://127.0.0.1:9")  # where nobody is
    monkeypatch.setenv("LARK_APP_ID", "cli_a")
    monkeypatch.setenv("LARK_APP_SECRET", "secret")


def test_it_listens_until_it_is_interrupted(tmp_path: Path) -> None:
    with lark_side() as lark:
        listening = Listening(lark, tmp_path, (*COMMAND, "callbacks", "listen"))
        try:
            made = click()
            link = listening.link()
            assert link.ask(made).said == json.loads(RECEIVED)
            assert listening.stored() == {event_id(made): 1}
            watched = listening.watched
            os.killpg(listening.process.pid, signal.SIGINT)  # as Ctrl-C on a terminal does
            assert listening.gone(watched) == 0
            assert link.closed.wait(SECONDS)
            assert "Traceback" not in listening.log
        finally:
            listening.close()


@pytest.mark.usefixtures("_app")
def test_there_has_to_be_a_place_for_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no place to keep clicks. Next: configure RABBITMQ_URL, a database, or both." in refused()
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}")
    assert f"{tmp_path}" in refused()


@pytest.mark.usefixtures("_app")
def test_a_database_without_our_tables_is_told_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    assert "lark-provider db upgrade" in refused()


@pytest.mark.usefixtures("_database")
def test_there_has_to_be_an_app() -> None:
    assert "cli_unknown" in refused("--app-id", "cli_unknown")


@pytest.mark.usefixtures("_database", "_app")
def test_what_is_given_has_to_be_usable() -> None:
    assert "The handler 'no.such' cannot be imported" in refused("--handler", "no.such")
    said = refused("--proxy", "socks://me:hidden@proxy")
    assert "proxy is " in said
    assert "hidden" not in said


@pytest.mark.usefixtures("_database", "_app")
def test_an_sdk_that_is_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "lark_oapi-1.5.5.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: lark-oapi\nVersion: 1.5.5\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = refused()
    assert "needs lark-oapi 1.7.3 or later; 1.5.5 is installed. Next: pip install 'lark-oapi>=1.7.3'." in said
