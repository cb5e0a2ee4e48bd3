"""The next step of each code that Lark answers."""

from __future__ import annotations

from lark_provider.protocol.codes import TABLE

VERBS = """
add ask call change check choose correct create delete download edit enable free go grant install keep leave
let look make name pass put raise read remove send share shorten stay subscribe take turn upload use wait
widen write
"""
"""A new step that begins with another verb adds it here."""


def test_each_next_step_says_what_to_do() -> None:
    said = {code.step for code in TABLE.values()}
    assert {step for step in said if step.split()[0] not in VERBS.split() or step.endswith(".")} == set()
