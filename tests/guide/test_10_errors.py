"""The guide's section 10: what goes wrong, and what it says to do."""

from __future__ import annotations

import traceback

import cryptography.fernet
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

import lark_provider
from lark_provider import ConfigurationError, LarkServiceClient, TokenAcquisitionError
from lark_provider.storage import purging, token_store, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import generate_key
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.guide.arrived import open_id, read_texts, token_requests
from tests.guide.reader import Database, Reader
from tests.services.processes import free_port

APP = "python -m lark_provider.cli app"
SEND = """
from lark_provider import LarkServiceClient

with LarkServiceClient(app_id="cli_your_app_id") as client:
    client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello")
"""


def send(lark: Emulator) -> None:
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")


@pytest.fixture
def database_is_down(upgraded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the database's port in the environment to one on which no server listens."""
    monkeypatch.setenv("POSTGRES_PORT", str(free_port()))


def test_guide_63_a_wrong_credential(lark: Emulator, apps: ApplicationManager) -> None:
    apps.update_application("cli_your_app_id", app_secret="wrong")
    for _ in range(2):  # asking again asks Lark nothing for a while
        with pytest.raises(TokenAcquisitionError, match=r"^Failed to get token: 10014") as caught:
            send(lark)
        # A traceback ends with it, and does not begin with another error.
        assert "During handling" not in "".join(traceback.format_exception(caught.value))
    assert token_requests(lark) == 1
    assert lark_provider.errors.TokenAcquisitionError is TokenAcquisitionError


def test_guide_64_a_database_that_is_down(database_is_down: None, lark: Emulator, apps: object) -> None:
    """Storage calls raise what the guide names; a message does without the database."""
    url = urls.database()
    calls = (
        lambda: PostgresStorage().execute("SELECT 1"),
        lambda: ApplicationManager(url.render_as_string(hide_password=False)).list_applications(),
        lambda: token_store.forget(url, "cli_your_app_id"),
        lambda: purging.purge(url),
    )
    for call in calls:
        with pytest.raises(sa.exc.OperationalError, match=r"Connection refused.*Next: check that it runs"):
            call()
    send(lark)
    assert read_texts(lark) == ["Hello"]


def test_guide_65_a_wrong_key(
    lark: Emulator, apps: ApplicationManager, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", generate_key())
    for call in (lambda: ApplicationManager().decrypt_secrets("cli_your_app_id"), lambda: send(lark)):
        with pytest.raises(cryptography.fernet.InvalidToken, match=r"another key.*Next: set the key"):
            call()
    (line,) = reader.run(f"{APP} update cli_your_app_id --app-secret another", code=1).stderr.splitlines()
    assert "encrypted with another key" in line


def test_guide_66_a_disabled_app_is_refused(
    lark: Emulator, apps: object, upgraded: Database, reader: Reader
) -> None:
    """Disabled in the registry, though a token was stored; or by Lark itself."""
    send(lark)
    reader.run(f"{APP} disable cli_your_app_id")
    assert upgraded.ask("SELECT count(*) FROM tokens") == [(0,)]
    refused = reader.python(SEND.replace("ou_xxxxxxxx", open_id(lark)), code=1).stderr
    assert "App 'cli_your_app_id' is disabled in the registry. Next: `lark-provider app enable" in refused
    with pytest.raises(ConfigurationError, match="is disabled in the registry"):
        LarkServiceClient(app_id="cli_your_app_id", app_secret="your_app_secret").bot.info()
    assert read_texts(lark) == ["Hello"]
    lark.change_app("cli_airflow_app", enabled=False)
    with pytest.raises(TokenAcquisitionError, match=r"^Failed to get token: 10014"):
        LarkServiceClient(app_id="cli_airflow_app").bot.info()


def test_guide_67_a_new_key_and_the_app_added_again(
    lark: Emulator, apps: object, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be overwritten by mistake: the app has to be removed first, and the error says so."""
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", reader.run("openssl rand -base64 32").stdout)
    add = f"{APP} add --app-id cli_your_app_id --app-secret your_app_secret"
    (line,) = reader.run(add, code=1).stderr.splitlines()
    assert "encrypted with another key. Next: `lark-provider app remove cli_your_app_id` and add it" in line
    reader.run(f"{APP} remove cli_your_app_id --yes")
    reader.run(add)
    send(lark)
    assert read_texts(lark) == ["Hello"]
