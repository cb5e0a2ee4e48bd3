"""What the tests of both distributions share."""

from __future__ import annotations

import gc
import math
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["lark_emulator.pytest_plugin", "tests.services.plugin", "tests.canary"]

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

# On a busy machine an example may take long to draw and to run, which says nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


gc.disable()  # What is collected stays, and a search for garbage in it would take seconds each time.


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, each in another process, so that none is left with it at the end."""
    processes: int = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    share = math.ceil(len(items) / processes)  # Of the tests in their order, with which each process begins.
    long = [item for item in items if item.get_closest_marker("takes_minutes")]
    items[:] = [item for item in items if item not in long]
    for number, item in enumerate(long):
        items.insert(number % processes * share, item)


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
