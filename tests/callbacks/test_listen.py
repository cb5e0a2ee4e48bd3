"""`callbacks listen` against the local Lark: ready while connected; it drains, and loses no click."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.storage import urls
from tests.failures.waiting import wait_until
from tests.services.processes import free_port
from tests.storage import prepared

CHAT = "oc_emulator_data_team"
CARD = {
    "schema": "2.0",
    "body": {
        "elements": [
            {
                "tag": "button",
                "text": {"tag": "plain_text", "content": "Yes"},
                "behaviors": [{"type": "callback", "value": {"decision": "yes"}}],
            }
        ]
    },
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    database_url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(database_url, "test"))
    return database_url


@pytest.fixture
def listening(lark: Emulator, url: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a process that listens, and yield it with the address of its probes."""
    lark.settings(reconnect_nonce=0, reconnect_interval=2)
    port = free_port()
    settings = {
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url,
        "LARK_DATABASE_URL": url,
        "LARK_REGISTRY_PATH": str(tmp_path / "none.db"),
    }
    command = [sys.executable, "-m", "lark_provider.cli", "callbacks", "listen", "--probe-port", str(port)]
    with (tmp_path / "listen.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)  # noqa: S603 - ours
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def answer(url: str) -> tuple[int, Mapping[str, Any]]:
    """Return status and content of `/readyz`; 0 and nothing while the process starts."""
    try:
        response = httpx.get(f"{url}/readyz")
    except httpx.TransportError:
        return 0, {}
    return response.status_code, response.json()


def count_stored(url: str) -> int:
    with closing(sa.create_engine(url).connect()) as connection:
        count: int = connection.execute(sa.text("SELECT count(*) FROM card_callbacks")).scalar_one()
    return count


def test_it_is_ready_while_connected_and_drains(
    lark: Emulator, listening: tuple[subprocess.Popen[bytes], str], url: str
) -> None:
    process, probes = listening
    wait_until(lambda: answer(probes)[0] == 200, 60)
    assert answer(probes)[1] == {
        "status": "ready",
        "sinks": {"database": True},
        "apps": {lark.app_id: "connected"},
    }
    click = clicker(lark)
    assert click() == 0
    assert count_stored(url) == 1
    lark.fault("POST", "/callback/ws/endpoint", status=503, times=2)
    lark.drop_connections()
    wait_until(lambda: answer(probes)[0] == 503, 60)
    wait_until(lambda: answer(probes)[0] == 200, 60)
    assert click() == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert count_stored(url) == 2
    assert lark.connections() == []


def clicker(lark: Emulator) -> Callable[[], int]:
    """Return what clicks the button of a new card, and gives the code that the person is shown."""
    client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    message = client.messaging.send_card(CHAT, CARD).data["message_id"]

    def click() -> int:
        code: int = lark.click(message, "alice")["code"]
        return code

    return click
