"""The script that says how much of the measured use of Lark's endpoints is covered."""

from __future__ import annotations

import pytest

from scripts import demand


@pytest.mark.parametrize(
    ("endpoint", "covered"),
    [
        ("GET /open-apis/im/v1/messages *", True),
        ("POST /callback/ws/endpoint (long connection)", True),
        ("PUT|POST sheets/v2/…/values", True),
        ("* sheets/v2/…/dimension_range", True),
        ("GET sheets/v2/…/values/:range", True),
        ("POST message/v4/batch_send", True),
        ("GET /open-apis/im/v1/chats/:any", True),
        ("DELETE /open-apis/im/v1/messages", False),
        ("POST /open-apis/okr/v1/periods", False),
        ("GET /open-apis/im/v1", False),
    ],
)
def test_rankings_name_endpoints_in_several_ways(endpoint: str, *, covered: bool) -> None:
    assert demand.is_covered(endpoint, demand.list_emulated()) is covered


def test_the_report_names_what_is_missing_most_wanted_first() -> None:
    lines = [
        "# a comment",
        "packages\twithout_wrappers\tendpoint",
        "3\t1\tGET a",
        "9\t2\tGET b",
        "5\t4\tGET c",
    ]
    said = demand.report(demand.read(lines, {("GET", "c")})).splitlines()
    assert said[0].startswith("without wrappers: 4 of 508 uses")
    assert said[1].startswith("all: 5 of 1165 uses")
    assert [line.split() for line in said[3:]] == [["9", "2", "GET", "b"], ["3", "1", "GET", "a"]]


def test_a_ranking_without_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="must have three columns"):
        demand.read(["3 1 GET a"], set())


def test_the_ranking_is_read_whole() -> None:
    uses = demand.read(demand.RANKING.read_text("utf-8").splitlines(), demand.list_emulated())
    assert (len(uses), sum(use.packages for use in uses)) == (150, 854)
