"""Values are checked by their JSON schemas as Airflow does it, and no pattern can stop an API server."""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import Any

import pytest

from lark_provider.plugins.json_schema import SchemaCheckError, find_violations

ENDLESS = {"type": "string", "pattern": "^(a+)+$"}


def test_values_are_checked_by_name() -> None:
    values: dict[str, tuple[object, dict[str, Any]]] = {
        "right": ("x1", {"pattern": r"^\w+$"}),
        "chinese": ("\u4e2d\u6587", {"pattern": r"^\w+$"}),
        "wrong": ("ab", {"pattern": "^x"}),
        "nested": ({"b": 1}, {"patternProperties": {"^a": {}}, "additionalProperties": False}),
        "invalid": ("ab", {"pattern": "("}),
        "plain": (10, {"maximum": 9}),
    }
    violations = find_violations(values)
    name_of_error = re.error.__name__  # which depends on Python
    assert {name: texts["en"] for name, texts in violations.items()} == {
        "wrong": "must match the pattern ^x",
        "nested": "'b' does not match any of the regexes: '^a'",
        "invalid": f"cannot be checked: {name_of_error}",
        "plain": "10 is greater than the maximum of 9",
    }
    assert violations["wrong"]["zh"] == "必须符合格式 ^x"
    assert find_violations({"plain": values["plain"]}) == {"plain": violations["plain"]}


def test_a_pattern_that_takes_hours_stops_nothing_else() -> None:
    """`re` keeps the GIL, so that in a thread of this process nothing else would run."""
    ended = threading.Event()
    seconds = list[float]()

    def measure() -> None:
        before = time.monotonic()
        while not ended.wait(0.01):
            now = time.monotonic()
            seconds.append(now - before)
            before = now

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        values = {"first": ("b", ENDLESS), "endless": ("a" * 60 + "!", ENDLESS), "last": ("b", ENDLESS)}
        violations = find_violations(values)
    finally:
        ended.set()
        thread.join()
    assert list(violations) == ["first", "endless"]
    assert "takes too long" in violations["endless"]["en"]
    assert len(seconds) > 10, "others have run meanwhile"


def test_a_process_that_cannot_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SchemaCheckError, match=r"and ended with 1\. Next: ") as refused:
        find_violations({"a": ("a", ENDLESS)})
    assert refused.value.retryable
