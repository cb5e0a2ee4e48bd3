"""Loads without a database: as before there was a ledger, and one line says what is not guaranteed."""

from __future__ import annotations

import logging

import pytest

from lark_provider.errors import LarkAPIError
from tests.loads.conftest import CREATE, Place, rows


def test_one_line_says_what_is_not_guaranteed(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.lark.fault(path=CREATE, drop="after")
    assert place.load(rows(15)).written == 15
    assert place.load(rows(15)).replayed == 0  # Lark still knows the key
    assert place.stored() == rows(15)
    warned = [one.message for one in caplog.records if "ledger" in one.message]
    assert len(warned) == 2
    assert "writes its rows twice" in warned[0]


def test_a_load_without_a_key_says_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.bitable.bulk_insert(place.app_token, place.table_id, rows(15))
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize(("count", "says"), [(15, True), (1, False)])
def test_a_refused_value_says_how_its_row_is_found(place: Place, count: int, says: bool) -> None:
    place.lark.fault(path=CREATE, code=1254015)
    with pytest.raises(LarkAPIError, match="1254015") as caught:
        place.load(rows(count))
    assert ("on_bad_row='skip' finds them" in str(caught.value)) is says
