from __future__ import annotations

from pathlib import Path

import pytest

from tests.package.environments import EMULATOR, ROOT, built


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def emulator_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(EMULATOR, tmp_path_factory.mktemp("emulator"))
