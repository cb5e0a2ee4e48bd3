"""The page of capacity: its tables are what the arithmetic says, and its figures are reached."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.capacity import PUMP_A_SECOND, Load, Measured, needs, read_figures, renew_page, table

DOCS = Path(__file__).parents[2] / "docs"
ROUND = Measured(messages=2000, gateway=4000, gateway_database=2000, token_ms=1, queries=10, wait_kb=7)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_the_table_as_it_is_calculated(language: str) -> None:
    page = (DOCS / language / "explanation" / "capacity.md").read_text("utf-8")
    assert table(language) in page
    assert renew_page(page, language) == page
    assert renew_page(page.replace("48,000", "1"), language).count("48,000") == page.count("48,000")
    assert "None" not in table(language)


def test_what_the_page_says_of_one_of_each_is_reached() -> None:
    page = (DOCS / "en" / "explanation" / "capacity.md").read_text("utf-8")
    over = [float(number.replace(",", "")) for number in re.findall(r"over ([\d,]+)", page)]
    figures = read_figures()
    assert over == [2000, 3000, 2000, PUMP_A_SECOND]
    assert over[0] < figures.messages
    assert over[1] < figures.gateway
    assert over[2] < figures.gateway_database
    assert figures.queries <= 11
    assert figures.wait_kb <= 7


def test_needs_grow_with_the_load() -> None:
    def results(load: Load) -> dict[str, float]:
        return {
            what: float(
                re.findall(r"[\d,.]+", value.rpartition("=")[2].rpartition("→")[2])[0].replace(",", "")
            )
            for what, value in needs(load, ROUND)
        }

    single, doubled = results(Load()), results(replace(Load(), messages=200_000, waits=20_000))
    assert single["apps that the messages need at least"] == 3
    assert doubled["apps that the messages need at least"] == 5
    assert single["processor time of clients for the messages of an hour"] == 50
    assert doubled["processor time of clients for the messages of an hour"] == 100
    assert doubled["memory of one triggerer for the open questions"] == 140
    assert doubled["queries a second of that triggerer"] == 20
    assert (
        results(replace(Load(), apps=100))["tokens fetched from Lark an hour, with a shared database"] == 60
    )
