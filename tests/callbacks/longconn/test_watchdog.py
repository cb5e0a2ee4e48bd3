"""The watchdog, with processes that live and die as they are told."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lark_provider.callbacks.watchdog import Patience, Watchdog
from lark_provider.errors import ConfigurationError
from tests.callbacks.longconn.listening import ROOT
from tests.services.processes import alive

SECONDS = 20.0
QUICK = Patience(begin=SECONDS, silence=SECONDS, leave=SECONDS, first_pause=0.01, last_pause=0.02)
BEGIN = """
import os, signal, socket, sys, time
parent = socket.socket(fileno=int(sys.argv[-1]))
settings = parent.recv(1000)
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
say = lambda line: parent.sendall(line.encode() + b"\\n")
left = lambda: parent.recv(1)
"""


class Run:
    """A watchdog with a program to watch.

    Args:
        folder: Where the program notes its pids.
        program: What each process does, once it has noted its pid.
        patience: The watchdog's.
    """

    def __init__(self, folder: Path, program: str, patience: Patience = QUICK, *, begin: str = BEGIN) -> None:
        self.stop = asyncio.Event()
        self._file = folder / "pids"
        command = (
            sys.executable,
            *(["-S"] if begin is BEGIN else []),
            "-c",
            begin + program,
            str(self._file),
        )
        self.running = asyncio.ensure_future(Watchdog(command, b"settings", patience).run(self.stop))

    @property
    def pids(self) -> list[int]:
        """The processes until now."""
        return [int(line) for line in self._file.read_text().split()] if self._file.exists() else []

    async def started(self, number: int) -> None:
        """Wait for the n-th process."""
        await until(lambda: len(self.pids) >= number or self.running.done())
        assert len(self.pids) >= number

    async def ended(self) -> list[int]:
        """Stop; return which processes live on."""
        self.stop.set()
        async with asyncio.timeout(SECONDS):
            await self.running
        return [pid for pid in self.pids if alive(pid)]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scene()

    asyncio.run(run())


def test_one_that_dies_is_started_anew_as_often_as_need_be(tmp_path: Path) -> None:
    async def scene() -> None:
        run = Run(tmp_path, "sys.exit(3)")
        await run.started(4)
        assert await run.ended() == []

    play(scene)


def test_the_settings_travel_where_nobody_else_sees_them(tmp_path: Path) -> None:
    async def scene() -> None:
        run = Run(tmp_path, f"open({str(tmp_path / 'settings')!r}, 'wb').write(settings); say('up'); left()")
        await run.started(1)
        await until((tmp_path / "settings").exists)
        assert await run.ended() == []
        assert (tmp_path / "settings").read_bytes() == b"settings\n"

    play(scene)


@pytest.mark.parametrize(
    ("program", "patience"),
    [
        ("time.sleep(1000)", Patience(begin=0.2, leave=0.1, first_pause=0.01)),
        ("say('up'); time.sleep(1000)", Patience(silence=0.2, leave=0.1, first_pause=0.01)),
        (
            "say('down'); os.kill(os.getpid(), signal.SIGSTOP)",
            Patience(silence=0.2, leave=0.1, first_pause=0.01),
        ),
    ],
    ids=["never-begins", "hangs", "frozen"],
)
def test_one_that_gives_no_sign_of_life_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, program: str, patience: Patience
) -> None:
    async def scene() -> None:
        run = Run(tmp_path, program, patience)
        await run.started(2)
        assert not alive(run.pids[0])
        assert await run.ended() == []

    play(scene)
    assert "There was no sign of life for 0.2 s. Starting anew in" in caplog.text


def test_signs_of_life_keep_it(tmp_path: Path) -> None:
    async def scene() -> None:
        # It lives far longer than the silence that would end it, and then says so.
        mark = tmp_path / "mark"
        program = (
            "for n in range(20):\n say(('up', 'down')[n % 2])\n time.sleep(0.05)\n"
            f"open({str(mark)!r}, 'w').close()\n"
            "while not select.select([parent], [], [], 0.05)[0]: say('up')"
        )
        run = Run(tmp_path, "import select\n" + program, Patience(silence=0.5))
        await until(mark.exists)
        assert len(run.pids) == 1
        assert await run.ended() == []

    play(scene)


def test_who_cannot_work_from_the_start_is_not_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        run = Run(tmp_path, "say('down'); say('refused There is no database. Next: name one.'); left()")
        with pytest.raises(ConfigurationError, match=r"^There is no database\. Next: name one\.$"):
            await run.running
        assert not any(map(alive, run.pids))

    play(scene)


def test_who_has_worked_is_tried_again_though_it_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        run = Run(tmp_path, "say('up'); say('refused The app is disabled.'); left()")
        await run.started(3)
        assert await run.ended() == []

    play(scene)
    assert "The app is disabled. Starting anew in" in caplog.text


def test_who_gives_up_says_why_and_may_leave_in_peace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        left = tmp_path / "left"
        run = Run(tmp_path, f"say('lost It is deaf.'); left(); open({str(left)!r}, 'w').close()")
        await run.started(2)
        assert left.exists()
        assert await run.ended() == []

    play(scene)
    assert "It is deaf. Starting anew in" in caplog.text


def test_stop_waits_until_it_has_left_and_kills_who_does_not(tmp_path: Path) -> None:
    async def scene() -> None:
        left = tmp_path / "left"
        run = Run(tmp_path, f"say('up'); left(); time.sleep(0.1); open({str(left)!r}, 'w').close()")
        await run.started(1)
        assert await run.ended() == []
        assert left.exists()

    async def stubborn() -> None:
        run = Run(tmp_path, "say('up'); time.sleep(1000)", Patience(leave=0.2))
        await run.started(2)  # beside the one above
        assert await run.ended() == []

    play(scene)
    play(stubborn)


def test_stop_does_not_wait_for_a_pause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        run = Run(tmp_path, "sys.exit(1)", Patience(first_pause=10 * SECONDS))
        await until(lambda: "Starting anew" in caplog.text)
        assert await run.ended() == []
        assert len(run.pids) == 1

    play(scene)
    assert "The process ended with 1. Starting anew" in caplog.text


def pauses(caplog: pytest.LogCaptureFixture) -> list[Any]:
    assert caplog.records
    return [record.args[-1] for record in caplog.records if isinstance(record.args, tuple)]


def test_pauses_grow_until_one_has_worked_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    async def scene(program: str, patience: Patience, number: int) -> list[Any]:
        caplog.clear()
        run = Run(tmp_path, program, patience)
        await until(lambda: len(caplog.records) >= number)
        assert await run.ended() == []
        return pauses(caplog)[:number]

    growing = asyncio.run(scene("sys.exit(1)", Patience(first_pause=0.01, last_pause=0.05), 5))
    assert all(
        usual / 2 <= pause <= 1.5 * usual
        for pause, usual in zip(growing, [0.01, 0.02, 0.04, 0.05, 0.05], strict=True)
    )
    steady = Patience(first_pause=0.01, last_pause=1, steady=0)
    assert max(asyncio.run(scene("say('up'); sys.exit(1)", steady, 5))) <= 0.015


def test_what_the_process_has_started_is_no_sign_of_its_life(tmp_path: Path) -> None:
    file = tmp_path / "grandchildren"
    program = f"""
import asyncio, os, subprocess, sys
from lark_provider.callbacks.watchdog import UP, Watched
with open(sys.argv[1], "a") as file:
    file.write(f"{{os.getpid()}}\\n")
async def main():
    watched = await Watched.attach(int(sys.argv[-1]))
    watched.say(UP)
    started = subprocess.Popen(["sleep", "1000"], close_fds=False)
    with open({str(file)!r}, "a") as file:
        file.write(f"{{started.pid}}\\n")
    os._exit(1)
asyncio.run(main())
"""

    async def scene() -> None:
        run = Run(tmp_path, program, begin="")
        await run.started(2)
        assert await run.ended() == []

    try:
        play(scene)
    finally:
        for pid in map(int, file.read_text().split()):
            os.kill(pid, signal.SIGKILL)


def test_nobody_is_left_when_the_watchdog_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from lark_provider.callbacks.watchdog import Patience, Watchdog\n"
        f"command = (sys.executable, '-S', '-c', {BEGIN + 'left()'!r}, {str(tmp_path / 'pids')!r})\n"
        "asyncio.run(Watchdog(command, b'', Patience()).run(asyncio.Event()))"
    )

    async def scene() -> None:
        watchdog = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT)
        file = tmp_path / "pids"
        await until(lambda: file.exists() and file.read_text().endswith("\n"))
        watchdog.kill()
        await watchdog.wait()
        pid = int(file.read_text())
        await until(lambda: not alive(pid))

    play(scene)
