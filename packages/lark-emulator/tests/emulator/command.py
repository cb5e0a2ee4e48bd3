"""The command `lark-emulator`, running in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

SECONDS = 60.0


class Command:
    """`lark-emulator …`, which listens on a free port.

    Args:
        words: its arguments.
        variables: environment variables beside those of this process.
    """

    def __init__(self, *words: str, **variables: str) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LARK_EMULATOR")}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on leaving
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "lark_emulator", *words],
            env={**environ, "LARK_EMULATOR_PORT": "0", **variables},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        match = re.search(r"https?://[^ ]+", self.first_line.partition(" at ")[2])
        self.base_url = match.group() if match else ""

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """End it, and return its exit code, the rest of its output, and its errors."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.stdout is not None
        out = self.process.stdout.read()  # until it ends
        code = self.process.wait(timeout=SECONDS)
        self._errors.seek(0)
        return code, out, self._errors.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()
