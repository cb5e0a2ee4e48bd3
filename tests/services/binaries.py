"""Programs that the tests start servers from, installed from Debian's packages where that is allowed."""

from __future__ import annotations

import fcntl
import functools
import glob
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.finding import UnavailableError

POLICY = Path("/usr/sbin/policy-rc.d")


def program(name: str, *, package: str, folders: str = "/usr/sbin") -> Path:
    """Find a program on PATH or in folders that match a pattern (the last wins), else install its package.

    Raises:
        UnavailableError: It is not there and cannot be installed.
    """
    found = _look(name, folders)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install(package)
        found = _look(name, folders)
    if found is None:
        raise UnavailableError(f"{name} is not installed (Debian, Ubuntu: apt-get install {package})")
    return found


def _look(name: str, folders: str) -> Path | None:
    beside = [Path(folder, name) for folder in sorted(glob.glob(folders))]  # noqa: PTH207 - an absolute pattern
    there = [path for path in beside if path.is_file()]
    if there:
        return there[-1]
    on_path = shutil.which(name)
    return None if on_path is None else Path(on_path)


@functools.cache  # a package that did not install once is not tried again
def install(package: str) -> None:
    """Install a Debian package without starting the services in it; what went wrong is left to the caller."""
    with _one_at_a_time(), _no_service_starts():
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
            subprocess.run(  # noqa: S603 - a fixed command
                ["apt-get", "-o", "DPkg::Lock::Timeout=300", *command],  # noqa: S607 - root's own PATH
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=600,
            )


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
    """Debian starts what it installs, unless this file forbids it (containers mostly have it)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
