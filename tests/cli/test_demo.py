"""`lark-provider demo` when it is stopped from outside; `make demo` runs it to its end."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlsplit

from tests.services.processes import listens


def test_a_demo_that_is_terminated_stops_its_local_lark() -> None:
    command = [sys.executable, "-m", "lark_provider.cli", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603 - ours
        opened = next(line for line in demo.stdout or () if line.strip().startswith("Open "))
        port = urlsplit(opened.split()[1]).port
        assert port is not None
        assert listens(port)
        demo.terminate()
        assert demo.wait(60) == 128 + 15
    assert not listens(port)
