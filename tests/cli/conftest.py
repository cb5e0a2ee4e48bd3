from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from lark_provider.cli.__main__ import main
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key

COMMAND = (sys.executable, "-m", "lark_provider.cli")


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


class Run(Protocol):
    """Runs a command in this process."""

    def __call__(self, *argv: str) -> Done:
        """Run a command, and return its exit code and what it printed."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process and captures its exit code and output."""

    def run(*argv: str) -> Done:
        capsys.readouterr()
        try:
            code = main(argv)
        except SystemExit as refused:  # argparse
            code = int(refused.code or 0)
        return Done(code, *capsys.readouterr())

    return run


def run_process(*argv: str, before: Sequence[str] = ()) -> Done:
    """Run a command in a process of its own, with the words in `before` in front of it."""
    done = subprocess.run([*before, *COMMAND, *argv], capture_output=True, text=True, check=False)  # noqa: S603
    return Done(done.returncode, done.stdout, done.stderr)


def read_failure(done: Done, code: int = 1) -> str:
    """Assert that a command failed with one line on standard error only, and return that line."""
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("lark-provider: ")
    assert done.err.count("\n") == 1
    return done.err


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """Set a new encryption key in the environment, and return it."""
    new_key = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, new_key)
    return new_key


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """Return the registry path that the environment names; no file exists there yet."""
    return tmp_path / "config" / "applications.db"


@pytest.fixture
def apps(key: str, registry: Path) -> ApplicationManager:
    """Create a registry with one app in it."""
    manager = ApplicationManager()
    manager.create_application("cli_a", "secret-of-a", "生产应用", "用于生产环境", encrypt_key="encrypt-a")
    return manager
