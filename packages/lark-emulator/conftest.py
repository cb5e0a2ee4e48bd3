"""What the tests of this distribution need where they run alone, as from its source distribution.

`pip install '.[dev]'`, then `pytest`. A run of the whole repository has the settings and the `conftest.py` of
its root as well.
"""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, settings

# On a busy machine an example may take long to draw and to run, which says nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_sessionfinish() -> None:
    """Close the loop that the official SDK makes when it is imported, and leaves open."""
    if "lark_oapi" not in sys.modules:
        return
    from lark_oapi.ws import client

    client.loop.close()
