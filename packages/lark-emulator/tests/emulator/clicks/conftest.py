"""An app's address that takes clicks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import PATIENT, AppServer


@pytest.fixture
def app(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as server:
        yield server
