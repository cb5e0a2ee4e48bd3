"""Loads of many records, as the effects that they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lark_provider.api.clouddoc import fields as f
from lark_provider.api.clouddoc.bulk import bulk_insert
from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.effects import Memoize, Sleep
from lark_provider.protocol.operations import Procedure

FIELDS = [f.Field(field_name="No", type=f.NUMBER)]


def effects(steps: Procedure[Any]) -> Iterator[Any]:
    effect = next(steps)
    while True:
        yield effect
        effect = steps.send(FIELDS if isinstance(effect, Memoize) else None)


def test_a_long_list_is_checked_in_slices_between_which_a_loop_can_go_on() -> None:
    records: list[Any] = [{"No": number} for number in range(4_500)]
    records[4_200] = {"No": "four"}
    seen: list[Any] = []
    with pytest.raises(InvalidRequestError, match="row 4201, field 'No': must be a number, got 'four'"):
        seen.extend(effects(bulk_insert("bascn1", "tbl1", records)))
    # Each thousand is looked through twice: for names, then, when the table's fields are known, for values.
    kinds = [type(effect) for effect in seen]
    assert kinds == [*[Sleep] * 5, Memoize, *[Sleep] * 5]
    assert {effect.seconds for effect in seen if isinstance(effect, Sleep)} == {0}
