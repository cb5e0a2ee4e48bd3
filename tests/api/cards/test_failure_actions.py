from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from lark_provider.api.cards.airflow import failure
from lark_provider.api.cards.airflow.failure_actions import read_mute
from lark_provider.api.cards.airflow.limits import MAX_BYTES
from lark_provider.protocol.hitl.keys import get_card_key
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import CardAction, Claim, Failure, Incident, Mute
from lark_provider.protocol.waits import CORRELATION

EVENT = RunEvent("failure", "d", "r", "load", try_number=1, ti_id="u1", error="no rows")
LOAD, PART = (
    Failure("load", 1, ti_id="u1", task_id="load"),
    Failure("p_0", 1, ti_id="u2", task_id="p", map_index=0),
)
INCIDENT = Incident(count=2, failures=(LOAD, PART), has_actions=True, timezone="Asia/Shanghai", version=1)


def find_components(incident: Incident, **more: Any) -> dict[str, Any]:
    """Return the interactive components of a failure card, by name."""
    components = {}
    card = failure.make_card(EVENT, "en", incident, more.get("key", "k" * 64))
    asdict(replace(INCIDENT, cards=(card,)))  # type: ignore[arg-type]  # plain dicts can be copied
    for row in card["body"]["elements"]:
        for column in row.get("columns", ()):
            for component in column["elements"]:
                components[component["name"]] = component
    return components


def test_each_button_carries_the_key_and_what_it_means() -> None:
    components = find_components(INCIDENT)
    assert list(components) == ["retry", "claim", "mute"]
    for name, component in components.items():
        value = component["behaviors"][0]["value"]
        assert (value["action"], get_card_key(value[CORRELATION])) == (name, "k" * 64)
    options = {option["value"]: option["text"]["content"] for option in components["mute"]["options"]}
    assert options["8 load"] == "load · 8 hours"
    assert options["168 p"] == "p · 7 days"
    assert len(options) == 8


def test_buttons_are_there_only_where_they_can_do_something() -> None:
    assert find_components(INCIDENT, key=None) == {}
    assert find_components(replace(INCIDENT, has_actions=False)) == {}
    assert find_components(replace(INCIDENT, over=True)) == {}
    assert "claim" not in find_components(
        replace(INCIDENT, claim=Claim("ou_1", "bob", "2026-11-26T10:00:00+00:00"))
    )
    components = find_components(replace(INCIDENT, failures=(LOAD, replace(PART, recovered=True))))
    assert [option["text"]["content"] for option in components["mute"]["options"]] == [
        "1 hour", "8 hours", "24 hours", "7 days",
    ]  # fmt: skip
    assert list(find_components(replace(INCIDENT, failures=(Failure("load"),)))) == ["claim"]


def test_the_card_says_who_did_what_and_escapes_it() -> None:
    at = "2026-11-26T10:00:00+00:00"
    incident = replace(
        INCIDENT,
        claim=Claim("ou_1", "bob", at),
        mutes=(Mute("load", "<at id=all></at>", at),),
        deeds=(CardAction("bob: retried load; p_0 was not: it has changed", at, "e1"),),
    )
    for over in (False, True):
        shown = json.dumps(
            failure.make_card(EVENT, "en", replace(incident, over=over), "k"), ensure_ascii=False
        )
        assert "Claimed by bob at 2026-11-26 18:00 CST" in shown
        assert "p_0 was not" in shown.replace("&#95;", "_")
        assert "<at id=all>" not in shown


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("8 load", ("load", 8)),
        ("9 load", None),
        ("8 other", None),
        ("load", None),
        (None, None),
        ("8 ", None),
    ],
)
def test_only_what_the_card_offers_can_be_muted(option: str | None, expected: object) -> None:
    assert read_mute(option, INCIDENT) == expected


def test_a_click_is_recorded_once_and_a_bounded_number_of_them() -> None:
    incident = INCIDENT
    for number in (1, 1, *range(2, 20)):
        incident = incident.with_deed(CardAction("x", "2026-11-26T10:00:00+00:00", f"e{number}"))
    assert [deed.event_id for deed in incident.deeds] == ["e15", "e16", "e17", "e18", "e19"]
    assert Incident.from_json(json.loads(json.dumps(incident.to_json()))) == incident


def test_a_card_of_a_hundred_failures_is_small_enough() -> None:
    many = tuple(
        Failure(
            "x" * 250 + str(n),
            1,
            "e" * 160,
            "http://a/" + "l" * 500,
            ti_id=str(n),
            task_id="x" * 250 + str(n),
        )
        for n in range(100)
    )
    card = failure.make_card(EVENT, "en", replace(INCIDENT, failures=many), "k" * 64)
    assert len(json.dumps(card, ensure_ascii=False).encode()) <= MAX_BYTES
    options = [
        option["value"] for option in find_components(replace(INCIDENT, failures=many))["mute"]["options"]
    ]
    assert {read_mute(value, replace(INCIDENT, failures=many)) for value in options} == {
        ("x" * 250 + str(number), hours) for number in range(10) for hours in (1, 8, 24, 168)
    }
