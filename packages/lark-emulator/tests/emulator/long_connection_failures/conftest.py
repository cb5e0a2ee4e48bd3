"""A patient local Lark, and threads that push events."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.emulator.app_server import PATIENT

if TYPE_CHECKING:
    from lark_emulator import Emulator


@pytest.fixture(autouse=True)
def patient(lark: Emulator) -> None:
    lark.settings(**PATIENT)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor
