from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.callbacks.longconn.larkside import LarkSide, lark_side


@pytest.fixture
def lark() -> Iterator[LarkSide]:
    """Yield Lark's side of long connections, with no client connected."""
    with lark_side() as side:
        yield side
