"""An incident that is escalated."""

from __future__ import annotations

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from tests.bridge.escalations.scene import Scene


@pytest.fixture
def scene(url: URL, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Scene:
    lark.settings(rate_limits=False)
    monkeypatch.setenv("LARK_PACING", "0")
    return Scene(url, lark)
