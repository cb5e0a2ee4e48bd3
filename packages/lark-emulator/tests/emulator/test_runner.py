from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from lark_emulator import Emulator


def test_it_starts_and_stops_and_leaves_nothing_behind() -> None:
    before = threading.active_count()
    for _ in range(20):
        with Emulator():
            pass
    assert threading.active_count() == before


def test_it_runs_where_another_loop_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a server under test has made uvloop's the loops of the process."""
    defaults: list[asyncio.AbstractEventLoop] = []

    def make_default() -> asyncio.AbstractEventLoop:
        defaults.append(asyncio.SelectorEventLoop())
        return defaults[-1]

    monkeypatch.setattr(asyncio.events, "new_event_loop", make_default)
    with Emulator():
        assert defaults == []


def test_stopping_frees_the_port_and_keeps_the_state() -> None:
    emulator = Emulator().start()
    idle = socket.create_connection(("127.0.0.1", emulator.port), timeout=60)
    emulator.add_user("dave")
    emulator.stop()
    assert idle.recv(1) == b""
    idle.close()
    assert "dave" in [user["user_id"] for user in emulator.state()["users"]]
    with Emulator(port=emulator.port), pytest.raises(OSError, match=f"cannot listen on .*:{emulator.port}"):
        Emulator(port=emulator.port).start()


def test_a_connection_that_is_just_being_accepted_is_closed_too() -> None:
    for _ in range(50):
        emulator = Emulator().start()
        with socket.create_connection(("127.0.0.1", emulator.port), timeout=60) as wire:
            emulator.stop()
            # Closed if it was accepted, reset if it was still waiting to be.
            with suppress(ConnectionResetError):
                assert wire.recv(1) == b""


def test_stopping_during_a_late_answer() -> None:
    with Emulator(settings={"latency_ms": 60_000}) as lark, socket.socket() as wire:
        wire.connect(("127.0.0.1", lark.port))
        wire.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deadline = time.monotonic() + 5
        while not lark.requests() and time.monotonic() < deadline:
            pass


def test_it_can_be_started_again_but_not_twice() -> None:
    emulator = Emulator()
    for _ in range(2):
        with emulator:
            assert httpx.get(f"{emulator.base_url}/_emulator/state").status_code == 200
            with pytest.raises(RuntimeError, match="runs already"):
                emulator.start()
    emulator.stop()


def test_controls_from_many_threads(lark: Emulator) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: lark.add_user(f"u{n}"), range(200)))
    assert len(lark.state()["users"]) == 203


def test_bad_arguments_raise_in_the_callers_thread(lark: Emulator) -> None:
    lark.add_user("u1")
    with pytest.raises(ValueError, match="'u1' exists already"):
        lark.add_user("u1")
    with pytest.raises(ValueError, match="no user 'nobody'"):
        lark.add_chat("x", users=["nobody"])
    with pytest.raises(ValueError, match="cli_"):
        lark.add_app("x")
    with pytest.raises(ValueError, match="unknown member 'nick'"):
        lark.add_user("u2", nick="n")


def test_the_fixture_points_the_environment_at_the_emulator(lark: Emulator) -> None:
    assert os.environ["LARK_BASE_URL"] == lark.base_url
    assert f'"host": "{lark.base_url}"' in os.environ["AIRFLOW_CONN_LARK_DEFAULT"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_in_the_foreground_ends_cleanly(number: signal.Signals) -> None:
    code = (
        "from lark_emulator import serve\n"
        "serve(ready=lambda url: print(url, flush=True))\n"
        "print('ended', flush=True)"
    )
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-X", "dev", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/_emulator/state").status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_the_emulator_imports_nothing_of_the_product() -> None:
    code = (
        "import sys, lark_emulator.runner, lark_emulator.coverage\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'lark_provider'\n"
        "       or m.split('.')[0] in ('airflow', 'httpx', 'requests', 'lark_oapi')])"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_second_signal_ends_it_at_once() -> None:
    """A callback that is not answered holds up the end: a click waits 3 seconds for it."""
    code = (
        "import asyncio\n"
        "from lark_emulator import serve\n"
        "def ready(url):\n"
        "    print(url, flush=True)\n"
        "    asyncio.get_running_loop().later = asyncio.ensure_future(asyncio.sleep(3600))\n"
        "serve(ready=ready)\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (-signal.SIGINT, "")
