"""What the tests of both distributions share."""

from __future__ import annotations

import os
import sys

pytest_plugins = ["lark_emulator.pytest_plugin", "tests.services.plugin", "tests.canary"]

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


def pytest_sessionfinish() -> None:
    """Close the loop that the official SDK makes when it is imported, and leaves open."""
    if "lark_oapi" not in sys.modules:
        return
    from lark_oapi.ws import client

    client.loop.close()
