"""`callbacks serve` as a service: its address, its path, and what it logs."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.callbacks.http.refusals import Refusals
from lark_provider.errors import ConfigurationError, TransportError
from lark_provider.storage.work import DatabaseWork
from lark_provider.support.throttle import PERIOD_SECONDS, Throttle
from tests.callbacks import mq
from tests.callbacks.commands import KEYS, Command, gateway, ready
from tests.callbacks.logs import format_lines
from tests.callbacks.parts import FakeSink
from tests.callbacks.parts import gateway as standing
from tests.callbacks.virtual import run_to_end
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.mutants import mutants
from tests.protocol.callbacks.sender import APP
from tests.services.processes import HOST, free_port

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\w+) ([a-z_.]+): (.+)")


@pytest.fixture
def lite(tmp_path: Path) -> dict[str, str]:
    """Return the settings of a gateway that stores clicks in a file."""
    return {"LARK_DATABASE_URL": f"sqlite:///{tmp_path}/lark.db"}


def read_log(command: Command) -> list[tuple[str, str, str]]:
    """Return level, name and message of each line, and check that each line has a time."""
    matches = [LINE.fullmatch(line) for line in command.log.read_text().splitlines()]
    assert all(matches), command.log.read_text()
    return [(match[1], match[2], match[3]) for match in matches if match]


def click(url: str) -> httpx.Response:
    """Send a genuine click, and return the response."""
    body = sender.seal_body(sender.card(now=time.time()))
    return httpx.post(url, content=body, headers=sender.make_headers(body, timestamp=str(int(time.time()))))


# --- address and path ---


@pytest.mark.parametrize(
    ("host", "shown"), [("::1", "[::1]"), ("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")]
)
def test_it_listens_on_either_family_and_says_where(
    tmp_path: Path, lite: dict[str, str], host: str, shown: str
) -> None:
    command = gateway(tmp_path / "log", 0, "--host", host, **lite)
    try:
        said = command.start()
        assert re.fullmatch(rf"Callbacks at http://{re.escape(shown)}:\d+/lark/callbacks/{{app_id}}", said), (
            said
        )
        url = said.removeprefix("Callbacks at ").format(app_id=APP)
        answer = httpx.post(url, content=b"{}")
        assert (answer.status_code, answer.json()) == (401, {"msg": "refused"})
    finally:
        command.end()


def test_a_name_that_is_none_and_a_port_that_is_taken(tmp_path: Path, lite: dict[str, str]) -> None:
    command = gateway(tmp_path / "log", port := free_port(), **lite)
    command.start()
    try:
        for words in (("--port", str(port)), ("--host", "no.such.host.invalid")):
            said = read_refusal("serve", *words, settings=KEYS | lite)
            assert "Cannot listen on " in said
            assert "Next: choose another --port or --host." in said
        assert (
            "The port must be a number from 0 to 65535, got 99999. Next: choose another --port"
            in read_refusal("serve", "--port", "99999", settings=KEYS | lite)
        )
    finally:
        command.end()


def read_refusal(*words: str, settings: Mapping[str, str], code: int = 1) -> str:
    """Run a command that refuses to start, and return the last line that it writes to the standard error."""
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "lark_provider.cli", "callbacks", *words],
        env=Command(Path("/dev/null"), settings=settings)._env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_proxys_prefix(tmp_path: Path, lite: dict[str, str]) -> None:
    command = gateway(tmp_path / "log", port := free_port(), "--path", "/hooks/lark/{app_id}", **lite)
    try:
        assert command.start() == f"Callbacks at http://{HOST}:{port}/hooks/lark/{{app_id}}"
        base = f"http://{HOST}:{port}"
        assert httpx.post(f"{base}/hooks/lark/{APP}", content=b"{}").status_code == 401
        assert httpx.post(f"{base}/lark/callbacks/{APP}", content=b"{}").text == "Not Found"
        assert httpx.get(f"{base}/healthz").status_code == 200
        wait_until(lambda: httpx.get(f"{base}/readyz").status_code == 200)
    finally:
        command.end()


WRONG = [
    "hooks/{app_id}",
    "/hooks",
    "/{app_id}/{app_id}",
    "/x{app_id}",
    "/{other}/{app_id}",
    "/a b/{app_id}",
    "",
]


@pytest.mark.parametrize("path", WRONG)
def test_a_path_that_is_invalid(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"The path must begin with / .*Next: write it as /"):
        application(standing(), path=path)


def test_a_wrong_path_is_wrong_use(lite: dict[str, str]) -> None:
    said = read_refusal("serve", "--path", "/hooks", code=2, settings=KEYS | lite)
    assert said.startswith(
        "lark-provider: The path must begin with / and have {app_id} once, as one of its parts, got "
        "'/hooks'. Next: "
    )


def test_it_may_open_all_files_that_it_may_have_and_closes_the_idle_ones(
    tmp_path: Path, lite: dict[str, str]
) -> None:
    limits = ("prlimit", "--nofile=60:200")
    command = Command(
        tmp_path / "log", "serve", "--port", str(port := free_port()), settings=KEYS | lite, prefix=limits
    )
    command.start()
    try:
        assert command.process is not None
        assert resource.prlimit(command.process.pid, resource.RLIMIT_NOFILE) == (200, 200)
        with ExitStack() as stack:
            idle = [stack.enter_context(socket.create_connection((HOST, port))) for _ in range(190)]
            assert httpx.get(f"http://{HOST}:{port}/healthz").status_code == 200
            idle[-1].sendall(f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert idle[-1].recv(100).startswith(b"HTTP/1.1 200 OK")
            idle[0].settimeout(1)  # idle ones are closed after 5 seconds by themselves
            assert idle[0].recv(1) == b""
        assert command.log.read_text().count("Too many connections; closing idle ones") == 1
    finally:
        command.end()


def test_a_process_that_starts_does_not_call_its_broker_unavailable(
    tmp_path: Path, rabbitmq: str, lite: dict[str, str]
) -> None:
    command = gateway(tmp_path / "log", port := free_port(), **lite, RABBITMQ_URL=rabbitmq)
    command.start()
    try:
        wait_until(lambda: ready(f"http://{HOST}:{port}"))
        assert "Sink not ready" not in command.log.read_text()
    finally:
        command.end()


# --- logs ---


def test_services_log_time_level_and_name_at_info(
    tmp_path: Path, rabbitmq: str, database: URL, lite: dict[str, str]
) -> None:
    serve = gateway(tmp_path / "serve.log", free_port(), **lite)
    text = database.set(drivername="postgresql").render_as_string(hide_password=False)
    pump = Command(
        tmp_path / "pump.log", "pump", settings={"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": text}
    )
    for command, name in ((serve, "probes.readiness: Sink ready"), (pump, "broker.link: Connected to ")):
        command.start()
        try:
            wait_until(lambda c=command, n=name: f"INFO lark_provider.callbacks.{n}" in c.log.read_text())  # type: ignore[misc]
        finally:
            command.end()
        assert {level for level, _, _ in read_log(command)} == {"INFO"}
    [started] = [text for _, _, text in read_log(serve) if text.startswith("Gateway started")]
    assert re.search(r" url=\"?http://127.0.0.1:\d+/lark/callbacks/\{app_id\}\"? sinks=database$", started)
    assert [text for _, _, text in read_log(serve)][-1] == "Gateway stopped"


@pytest.mark.parametrize(("level", "levels"), [("ERROR", set[str]()), ("debug", {"DEBUG", "INFO"})])
def test_the_level_is_that_of_the_environment(
    tmp_path: Path, lite: dict[str, str], level: str, levels: set[str]
) -> None:
    command = gateway(tmp_path / "log", port := free_port(), LOG_LEVEL=level, **lite)
    command.start()
    try:
        url = f"http://{HOST}:{port}"
        wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        assert click(f"{url}/lark/callbacks/{APP}").content == RECEIVED
    finally:
        command.end()
    assert {level for level, _, _ in read_log(command)} == levels


def make_forged(count: int) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Yield forged requests of every kind that is refused, also to apps that do not exist."""
    for number, (headers, body) in enumerate(mutants(count, seed=20261201)):
        app = APP if number % 2 else f"cli_made_up_{number}\nWARNING forged line"
        yield app, headers, body


def test_a_flood_of_forged_requests_writes_a_handful_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    over = standing(FakeSink())

    async def work() -> None:
        running = asyncio.ensure_future(over.run())
        await asyncio.sleep(0)
        for app, headers, body in make_forged(10_000):
            assert (await over.answer(app, headers, body)).status in {400, 401, 404}
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(work())
    refused = [line for line in format_lines(caplog) if "Request refused" in line]
    assert len(refused) <= 30
    assert all("\n" not in line for line in refused)
    suppressed = [int(count) for line in refused for count in re.findall(r" suppressed=(\d+) ", line)]
    assert len(refused) + sum(suppressed) == 10_000
    assert any("status=404" in line and "The app is unknown or disabled" in line for line in refused)


def test_each_minute_has_a_line_with_the_count(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        counted = Refusals(loop.time)
        running = asyncio.ensure_future(counted.run())
        for second in range(150):
            counted.note(401, f"It was sent {second} s ago.", "cli_a")
            await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait({running})

    run_to_end(work)
    suppressed = [vars(record)["suppressed"] for record in caplog.records]
    assert len(suppressed) + sum(suppressed) == 150
    assert 3 <= len(suppressed) <= 5
    assert {vars(record)["app_id"] for record in caplog.records} == {"cli_a"}


def test_kinds_beyond_a_limit_are_counted_together() -> None:
    said: list[tuple[Any, int]] = []
    throttle = Throttle(limit=3, clock=lambda: 0.0)
    for number in range(100):
        throttle.note(("kind", number), lambda count, n=number: said.append((n, count)), overflow="more")  # type: ignore[misc]
    assert [number for number, _ in said] == [0, 1, 2, 3]
    throttle.flush(everything=True)
    assert said[-1] == (99, 95)


def test_a_kind_that_is_quiet_gives_way_to_a_new_one() -> None:
    now, said = [0.0], list[int]()
    throttle = Throttle(limit=1, clock=lambda: now[0])
    for moment in (0.0, 61.0, 122.0):
        now[0] = moment
        throttle.note(moment, said.append)
    assert said == [0, 0, 0]
    assert PERIOD_SECONDS == 60


CONSUMER = "from lark_provider.callbacks import consume\nprint('begun', flush=True)\nconsume(print)\n"


def test_a_consumer_logs_where_its_program_has_not_configured_logging(tmp_path: Path, rabbitmq: str) -> None:
    log = tmp_path / "log"
    with (
        log.open("wb") as written,
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", CONSUMER],
            env=Command(log, settings={"RABBITMQ_URL": rabbitmq})._env,
            stderr=written,
            stdout=subprocess.DEVNULL,
        ) as process,
    ):
        wait_until(lambda: "INFO lark_provider.callbacks.broker.link: Connected to" in log.read_text())
        process.terminate()
        assert process.wait(mq.LIMIT) == 0
    assert all(LINE.fullmatch(line) for line in log.read_text().splitlines())


def test_a_frozen_database_holds_one_thread() -> None:
    release, begun = threading.Event(), list[int]()

    def freeze() -> int:
        begun.append(1)
        release.wait()
        return len(begun)

    async def work() -> int:
        attempts = DatabaseWork(0.05)
        for _ in range(3):
            with pytest.raises(TransportError, match=r"not answered within 0\.05 s"):
                await attempts.run(freeze)
        assert len(begun) == 1
        release.set()
        async with asyncio.timeout(mq.LIMIT):
            while True:
                try:
                    return await attempts.run(freeze)
                except TransportError:
                    continue

    assert mq.run(work()) == 2
