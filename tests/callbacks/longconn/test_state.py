"""What a probe reads, and encrypted connections."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lark_provider.callbacks.websocket import fleet, opening
from lark_provider.callbacks.websocket.listen import Listener, ListenSettings
from lark_provider.callbacks.websocket.state import AppState, ListenState, Phase
from tests.callbacks import mq
from tests.callbacks.longconn.larkside import LarkSide, lark_side
from tests.callbacks.longconn.listening import IMPATIENT, SECRET, Listening, click, until
from tests.protocol.callbacks import sender

SELF_SIGNED = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=lark -addext subjectAltName=IP:127.0.0.1"


@pytest.fixture
def _environment(lark: LarkSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_BASE_URL", lark.base_url)
    monkeypatch.setenv("LARK_APP_ID", sender.APP)
    monkeypatch.setenv("LARK_APP_SECRET", SECRET)
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")


async def in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


@pytest.mark.usefixtures("_environment")
def test_the_state_says_who_is_connected_since_when_and_what_is_in_flight(
    lark: LarkSide, tmp_path: Path
) -> None:
    handler = "tests.callbacks.longconn.answering.answer"

    async def scene() -> None:
        listener = Listener(ListenSettings(handler=handler))
        assert listener.state() == ListenState((), {"database": False})
        assert not listener.state().is_ready
        stop = asyncio.Event()
        running = asyncio.ensure_future(listener.run(stop))
        link = await in_thread(lark.link)
        await mq.wait_until_async(lambda: listener.state().is_ready)
        (app,) = listener.state().apps
        assert (app.app_id, app.phase, app.in_flight) == (sender.APP, Phase.CONNECTED, 0)
        assert (app.connections, app.error) == (1, None)

        release = tmp_path / "release"
        name = link.send(click(do="hold", until=str(release)))
        await mq.wait_until_async(lambda: listener.state().in_flight == 1)
        link.cut()
        await mq.wait_until_async(lambda: listener.state().connected == 0)
        after = listener.state().apps[0]
        assert after.error == "the connection broke without a closing message"
        assert after.since >= app.since
        release.touch()
        assert name
        await in_thread(lark.link)
        await mq.wait_until_async(lambda: listener.state().apps[0].connections == 2)
        await mq.wait_until_async(lambda: listener.state().in_flight == 0)
        stop.set()
        await running
        assert listener.state().apps == ()

    mq.run(scene())


@pytest.mark.usefixtures("_environment")
def test_a_background_task_that_fails_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, lark: LarkSide
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(fleet.Fleet, "run", fail)

    async def scene() -> None:
        with pytest.raises(RuntimeError, match="on purpose"):
            await Listener(ListenSettings()).run(asyncio.Event())

    mq.run(scene())


def test_an_app_that_is_refused_does_not_make_the_others_unready() -> None:
    now = datetime.now(UTC)

    def app(phase: Phase) -> AppState:
        return AppState("cli_a", phase, now, 0, 0, None)

    up, down = {"database": True}, {"database": False}
    assert ListenState((app(Phase.CONNECTED), app(Phase.REFUSED)), up).is_ready
    assert not ListenState((app(Phase.CONNECTED), app(Phase.WAITING)), up).is_ready
    assert not ListenState((app(Phase.CONNECTED),), down).is_ready
    assert not ListenState((app(Phase.REFUSED),), up).is_ready


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Create an untrusted certificate for this machine; return the paths of the certificate and its key."""
    paths = tmp_path / "lark.crt", tmp_path / "lark.key"
    subprocess.run(  # noqa: S603 - a fixed command
        ["openssl", *SELF_SIGNED.split(), "-keyout", paths[1], "-out", paths[0]],  # noqa: S607 - wherever it is
        check=True,
        capture_output=True,
    )
    return paths


@pytest.mark.parametrize("verify", ["the file", "false"])
def test_both_addresses_are_trusted_as_the_setting_says(
    certificate: tuple[Path, Path], tmp_path: Path, verify: str
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    shown = str(certificate[0]) if verify == "the file" else verify
    with lark_side(tls) as lark:
        command = (*IMPATIENT, "", "", shown)
        listening = Listening(lark, tmp_path, command)
        try:
            assert listening.link().ask(click()).code == 200
            assert listening.stop() == 0
        finally:
            listening.close()


def test_a_certificate_that_is_not_trusted_lets_nothing_through(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with lark_side(tls) as lark:
        listening = Listening(lark, tmp_path, (*IMPATIENT, "", "", ""))
        try:
            until(lambda: "CERTIFICATE_VERIFY_FAILED" in listening.log, "it says nothing")
            assert not lark.requests
            assert listening.stop() == 0
        finally:
            listening.close()


def test_the_library_shows_no_ticket(caplog: pytest.LogCaptureFixture) -> None:
    log = opening._get_logger()
    caplog.set_level("DEBUG")
    log.debug("> GET /ws/v2?ticket=secret HTTP/1.1")
    log.warning("cannot open wss://lark/ws/v2?service_id=1&ticket=%s now", "secret")
    assert caplog.messages == ["cannot open wss://lark/ws/v2?*** now"]
    assert opening._get_logger().filters == log.filters
