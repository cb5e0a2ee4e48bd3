"""A service, run as its unit, container or pod runs it: the same words, and no other environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.engine import URL

from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.services.processes import HOST, free_port

PORTS = ("--port", "--probe-port", "--metrics-port")
LARK_PROVIDER = (sys.executable, "-m", "lark_provider.cli")
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Deployed:
    """What runs.

    Args:
        words: Its command line.
        environ: Its environment.
        probe: The port of its `/healthz` and `/readyz`.
    """

    words: tuple[str, ...]
    environ: Mapping[str, str]
    probe: int

    @property
    def ports(self) -> dict[str, int]:
        """The ports of its command line, by option."""
        pairs = zip(self.words, self.words[1:], strict=False)
        return {word: int(after) for word, after in pairs if word in PORTS}

    @property
    def elsewhere(self) -> Deployed:
        """Return a copy of the deployment whose ports are free."""
        words, probe = list(self.words), self.probe
        for option, port in self.ports.items():
            free = free_port()
            words[words.index(option) + 1] = str(free)
            if port == self.probe:
                probe = free
        return replace(self, words=tuple(words), probe=probe)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as a container has it: nothing of this process's but where programs are."""
    here = Path(sys.executable).parent
    return {"PATH": f"{here}:{os.environ['PATH']}", "LANG": "C.UTF-8", **environ}


def run(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> str:
    """Run `lark-provider …` to its end, which must be a good one, and return what it printed."""
    done = subprocess.run(  # noqa: S603 - ours
        [*LARK_PROVIDER, *words],
        env=environment(environ),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def readiness(port: int) -> dict[str, Any]:
    """Return what `/readyz` answers; empty if it answers nothing yet."""
    with suppress(httpx.TransportError):
        answer: dict[str, Any] = httpx.get(f"http://{HOST}:{port}/readyz").json()
        return answer
    return {}


@contextmanager
def start(
    service: Deployed, folder: Path, program: Sequence[str] = LARK_PROVIDER
) -> Iterator[dict[str, Any]]:
    """Run a service until it is ready, and yield the answer of its probe; SIGTERM has to end it well.

    Args:
        service: What runs.
        folder: Its working directory, in which it may write nothing: containers have none to write to.
        program: What takes the words.
    """
    here = service.elsewhere
    log = folder.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - ours
            [*program, *here.words], env=environment(here.environ), cwd=folder, stdout=out, stderr=out
        )

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()[-4000:]
        answer = readiness(here.probe)  # ready as soon as one of the sinks is
        return answer.get("status") == "ready" and all(answer.get("sinks", {}).values())

    try:
        wait_until(is_ready, READY_SECONDS)
        assert httpx.get(f"http://{HOST}:{here.probe}/healthz").status_code == httpx.codes.OK
        if (metrics := here.ports.get("--metrics-port")) is not None:
            assert "lark_" in httpx.get(f"http://{HOST}:{metrics}/metrics").text
        yield readiness(here.probe)
        process.send_signal(signal.SIGTERM)
        assert process.wait(mq.LIMIT) == 0, log.read_text()[-4000:]
        assert list(folder.iterdir()) == []
    except AssertionError as error:
        error.add_note(log.read_text()[-4000:])
        raise
    finally:
        process.kill()
        process.wait()


def as_text(url: URL) -> str:
    """Return a URL of PostgreSQL as users write it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
