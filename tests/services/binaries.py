"""Programs that the tests start servers from, installed from Debian's packages where that is allowed."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.finding import UnavailableError
from tests.services.processes import run

POLICY = Path("/usr/sbin/policy-rc.d")
POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
RABBITMQ_FOLDERS = "/usr/lib/rabbitmq/bin"
SERVERS = (
    ("PostgreSQL", "postgresql", "initdb", POSTGRES_FOLDERS),
    ("RabbitMQ", "rabbitmq-server", "rabbitmq-server", RABBITMQ_FOLDERS),
    ("PgBouncer", "pgbouncer", "pgbouncer", "/usr/sbin"),
    ("Prometheus", "prometheus", "prometheus", "/usr/bin"),
)
"""The servers that tests start: name, package, program, and where it is if it is not on PATH."""


def program(name: str, *, package: str, folders: str = "/usr/sbin") -> Path:
    """Find a program on PATH or in folders that match a pattern (the last wins), else install its package.

    Raises:
        UnavailableError: It is not there and cannot be installed.
    """
    path = _look(name, folders)
    if path is None and may_install():
        install(package)
        path = _look(name, folders)
    if path is None:
        raise UnavailableError(f"{name} is not installed (Debian, Ubuntu: apt-get install {package})")
    return path


def chromium() -> str:
    """Find Chromium or Chrome on PATH, else install Chromium.

    Raises:
        UnavailableError: It is not there and cannot be installed.
    """
    return _find_chromium() or str(program("chromium", package="chromium", folders="/usr/bin"))


def may_install() -> bool:
    """Return whether packages that are missing can be installed here without asking."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def missing() -> dict[str, str]:
    """Return what the tests start, is missing, and cannot be installed: names and Debian's packages."""
    if may_install():
        return {}
    absent = {name: package for name, package, *where in SERVERS if _look(*where) is None}
    return absent if _find_chromium() else absent | {"Chromium": "chromium"}


def _find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _look(name: str, folders: str) -> Path | None:
    paths = [path for path in sorted(Path("/").glob(f"{folders[1:]}/{name}")) if path.is_file()]
    if paths:
        return paths[-1]
    on_path = shutil.which(name)
    return None if on_path is None else Path(on_path)


@functools.cache  # a package that did not install once is not tried again
def install(package: str) -> None:
    """Install a Debian package without starting its services; the caller looks whether that worked."""
    with _one_at_a_time(), _no_service_starts():
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
            words = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *command]
            run(words, environ={"DEBIAN_FRONTEND": "noninteractive"}, seconds=600)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    packages = os.open("/var/lib/dpkg", os.O_RDONLY)
    try:
        fcntl.flock(packages, fcntl.LOCK_EX)
        yield
    finally:
        os.close(packages)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep Debian from starting what it installs, unless a policy exists already, as in most containers."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
