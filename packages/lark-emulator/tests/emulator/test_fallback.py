"""Answers of the right shape for what is not emulated: off unless asked for, and always marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import gaps
from lark_emulator.fallback import answers
from lark_emulator.routes import ROUTES

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

NOTES = "/open-apis/hire/v1/notes"


def test_it_is_off_in_the_fixture_and_marked_when_on(api: Api, lark: Emulator) -> None:
    assert api.http.get(NOTES).status_code == 501
    lark.settings(fallback_answers=True)
    answer = api.http.post(NOTES, json={"content": "Met", "privacy": "3"})
    assert (answer.status_code, answer.headers["x-lark-emulator"]) == (200, "fallback")
    note = answer.json()["data"]["note"]
    # What was sent comes back where name and type fit; all else is made up.
    assert (note["content"], note["privacy"]) == ("Met", 0)
    assert note["talent_id"] == "fallback_talent_id"
    listed = api.http.get(NOTES, params={"page_token": "x"}).json()["data"]
    assert (listed["has_more"], len(listed["items"])) == (False, 1)
    assert [entry["answered_by"] for entry in lark.requests()[-2:]] == ["fallback", "fallback"]
    assert lark.state(summary=True)["not_emulated"] == {f"GET {NOTES}": 1}


def test_what_is_emulated_or_has_no_known_shape_stays_as_it_is(api: Api, lark: Emulator) -> None:
    lark.settings(fallback_answers=True)
    assert "x-lark-emulator" not in api.http.get("/open-apis/bot/v3/info").headers
    unknown = next(
        route
        for route in gaps.list_gaps(ROUTES)
        if not answers.is_known(route.name) and ":" not in route.path and route.method == "GET"
    )
    assert api.http.get(unknown.path).status_code == 501
    assert api.http.get("/open-apis/nothing/v1/here").status_code == 404


def test_every_gap_whose_shape_is_known_gets_an_answer(api: Api, lark: Emulator) -> None:
    lark.settings(fallback_answers=True, log_entries=10)
    routes = [route for route in gaps.list_gaps(ROUTES) if answers.is_known(route.name)]
    assert len(routes) > 500
    for route in routes:
        answer = api.http.request(route.method, route.path.replace(":", "p_"), json={"page_token": [{}]})
        assert (answer.status_code, answer.json()["code"]) == (200, 0), route.name
        assert isinstance(answer.json()["data"], dict)
    assert lark.state(summary=True)["crashes"] == 0
