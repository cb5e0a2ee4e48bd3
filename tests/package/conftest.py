from __future__ import annotations

from pathlib import Path

import pytest

from tests.package.environments import EMULATOR, ROOT, build_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def emulator_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(EMULATOR, tmp_path_factory.mktemp("emulator"))
