"""What the tests of both distributions share."""

from __future__ import annotations

import gc
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["lark_emulator.pytest_plugin", "tests.services.plugin", "tests.canary"]

LONG = {"test_floors.py", "test_wheel.py"}

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

# On a busy machine an example may take long to draw and to run, which says nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


gc.disable()  # What is collected stays, and a search for garbage in it would take seconds each time.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_collection_finish() -> None:
    """Leave what is collected out of the garbage collector's sight."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Close the loop that the official SDK makes when it is imported, and leaves open."""
    if "lark_oapi" not in sys.modules:
        return
    from lark_oapi.ws import client

    client.loop.close()
