from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from tests.callbacks.longconn.larkside import SECONDS, lark_side
from tests.callbacks.longconn.listening import Listening, click, event_id
from tests.cli.conftest import COMMAND, read_failure, run_process


def read_refusal(*argv: str) -> str:
    return read_failure(run_process("callbacks", "listen", *argv))


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
            payload = click()
            link = listening.link()
            assert link.ask(payload).said == json.loads(RECEIVED)
            assert listening.count_stored() == {event_id(payload): 1}
            os.killpg(listening.process.pid, signal.SIGINT)  # as Ctrl-C on a terminal does
            assert listening.process.wait(SECONDS) == 0
            assert link.closed.wait(SECONDS)
            assert "Traceback" not in listening.log
        finally:
            listening.close()


@pytest.mark.usefixtures("_app")
def test_there_has_to_be_a_place_for_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There is no place to store clicks and events. Next: set LARK_DATABASE_URL or " in read_refusal()
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}")
    assert f"{tmp_path}" in read_refusal()


@pytest.mark.usefixtures("_app")
def test_a_database_without_our_tables_is_told_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    assert "lark-provider db upgrade" in read_refusal()


@pytest.mark.usefixtures("_database")
def test_there_has_to_be_an_app() -> None:
    assert "cli_unknown" in read_refusal("--app-id", "cli_unknown")


@pytest.mark.usefixtures("_database", "_app")
def test_what_is_given_has_to_be_usable() -> None:
    assert "The handler must be importable, got 'no.such'" in read_refusal("--handler", "no.such")
    said = read_refusal("--proxy", "socks://me:hidden@proxy")
    assert "proxy must be " in said
    assert "hidden" not in said


@pytest.mark.usefixtures("_database", "_app")
def test_websockets_that_are_missing_or_too_old_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "websockets").mkdir()
    (tmp_path / "websockets" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = read_refusal()
    assert "The long connection must have websockets 15 or later, got: No module named" in said
    assert "Next: pip install 'airflow-provider-lark[listen]'." in said


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
@pytest.mark.usefixtures("_database", "_app")
def test_a_gateway_without_its_web_server_names_the_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{missing}'\")\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = read_failure(run_process("callbacks", "serve"))
    assert f"The gateway needs starlette and uvicorn: No module named '{missing}'" in said
    assert "Next: install 'airflow-provider-lark[gateway]'." in said


@pytest.mark.usefixtures("_database", "_app")
def test_the_path_of_certificates_has_to_exist(tmp_path: Path) -> None:
    assert f"verify must be True, False or the path of certificates, got '{tmp_path}/no.pem'" in read_refusal(
        "--verify", f"{tmp_path}/no.pem"
    )


@pytest.mark.usefixtures("_database")
def test_without_any_app_one_error_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "applications.db"))
    said = read_refusal()
    assert "No app to listen for is configured: there is no registry, and LARK_APP_ID and" in said
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    apps = ApplicationManager()
    apps.create_application("cli_a", "secret")
    apps.disable_application("cli_a")
    said = read_refusal()
    assert "No app to listen for is configured: the registry at" in said
    assert "has no active app" in said
    assert "App 'cli_a' is disabled in the registry. Next: `lark-provider app enable" in read_refusal(
        "--app-id", "cli_a"
    )
