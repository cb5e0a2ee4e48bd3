"""Docker Compose, the last way to a service: docker-compose.yml on free ports and volumes of this run."""

from __future__ import annotations

import functools
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services import processes
from tests.services.binaries import program
from tests.services.finding import UnavailableError

FILE = Path(__file__).parents[2] / "docker-compose.yml"
OLDEST = (2, 23, 1)  # the first that knows inline configs
USER = "lark"
PASSWORD = secrets.token_urlsafe()  # one for all services of this run
SECONDS = 600  # with the time to fetch an image
_OVERRIDE = Path(__file__).with_name("compose.override.yml")


def up(service: str) -> None:
    """Start a service and wait until it is healthy; it goes, with its volume, when this process ends.

    Raises:
        UnavailableError: There is no Docker Compose, or it could not start the service.
    """
    command()
    processes.at_exit(lambda: compose("down", "--volumes"))
    compose("up", "--detach", "--wait", service)


def port(service: str, inside: int) -> int:
    """Return the port on loopback that leads to a port of a service."""
    return int(compose("port", service, str(inside)).rpartition(":")[2])


def compose(*arguments: str) -> str:
    """Run Docker Compose on the project of this test run and return what it printed."""
    project = ["--project-name", f"lark-tests-{os.getpid()}", "--file", str(FILE), "--file", str(_OVERRIDE)]
    return run(
        [*command(), *project, *arguments], {"POSTGRES_PASSWORD": PASSWORD, "RABBITMQ_PASSWORD": PASSWORD}
    )


@functools.cache
def command() -> tuple[str, ...]:
    """Return the command of Docker Compose: a plugin of docker's, or a program of its own.

    Raises:
        UnavailableError: Neither is there, or they are too old.
    """
    try:
        return _recent("docker", "compose")
    except UnavailableError:
        return _recent(str(program("docker-compose", package="docker-compose")))


def _recent(*words: str) -> tuple[str, ...]:
    version = run([*words, "version", "--short"], {})
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if match is None or tuple(map(int, match.groups())) < OLDEST:
        raise UnavailableError(f"{' '.join(words)} {version.strip()} is too old")
    return words


def run(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run a command and return what it printed.

    Raises:
        UnavailableError: It is missing or failed; its last words are in the text.
    """
    try:
        done = processes.run(words, environ=environ, seconds=SECONDS)
    except FileNotFoundError:
        raise UnavailableError(f"{words[0]} is not installed") from None
    if done.returncode != 0:
        raise UnavailableError((done.stderr.strip().splitlines() or [f"{' '.join(words)} failed"])[-1])
    return done.stdout
