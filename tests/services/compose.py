"""Docker Compose, the last way to a service: docker-compose.yml on free ports and volumes of this run."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from tests.services.finding import UnavailableError
from tests.services.processes import at_exit

ROOT = Path(__file__).parents[2]
USER = "lark"
PASSWORD = secrets.token_urlsafe()  # one for all services of this run
START_SECONDS = 600  # with the time to fetch an image
_FILES = (ROOT / "docker-compose.yml", Path(__file__).with_name("compose.override.yml"))


def up(service: str) -> None:
    """Start a service and wait until it is healthy; it goes, with its volume, when this process ends.

    Raises:
        UnavailableError: There is no Docker Compose, or it could not start the service.
    """
    if shutil.which("docker") is None:
        raise UnavailableError("docker is not installed")
    at_exit(lambda: compose("down", "--volumes"))
    compose("up", "--detach", "--wait", service)


def port(service: str, inside: int) -> int:
    """The port on loopback that leads to a port of a service."""
    return int(compose("port", service, str(inside)).rpartition(":")[2])


def compose(*arguments: str) -> str:
    """Run Docker Compose on the project of this test run and return what it printed."""
    files = [word for file in _FILES for word in ("--file", str(file))]
    done = subprocess.run(  # noqa: S603 - a fixed command
        ["docker", "compose", "--project-name", f"lark-tests-{os.getpid()}", *files, *arguments],  # noqa: S607
        env={**os.environ, "POSTGRES_PASSWORD": PASSWORD, "RABBITMQ_PASSWORD": PASSWORD},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"docker compose {arguments[0]} failed"]
        raise UnavailableError(lines[-1])
    return done.stdout
