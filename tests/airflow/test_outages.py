"""A part is down while a person clicks: the click is applied after that, or refused and told; once each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.click_site import ClickSite, click_site
from tests.services.postgres import PostgresServer

_TAKEN = [
    ("broker",),
    ("frozen broker",),
    ("pump", "bridge"),
    ("API server",),
    ("database",),
]
_REFUSED = [("gateway",), ("broker", "database")]


@pytest.fixture
def site(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[ClickSite]:
    with click_site(tmp_path, postgres_server) as running_site:
        yield running_site


def test_a_click_during_an_outage_is_applied_once_after_it_or_refused_with_a_reason(site: ClickSite) -> None:
    for parts in _TAKEN:
        question = site.ask()
        with site.down(*parts):
            if parts == ("database",):  # The connection to the broker may have to come back first.
                site.wait(lambda: not site.click(question))  # noqa: B023 - called now
            else:
                assert not site.click(question), parts
        site.wait(lambda: site.shows_answer(question))  # noqa: B023 - called now
        assert site.outcomes(question) == ["answered"], parts
    for parts in _REFUSED:
        question = site.ask()
        with site.down(*parts):
            reply = site.click(question)
            # Without a gateway Lark's own client tells that the click did not arrive.
            assert reply.startswith("code ") if parts == ("gateway",) else "again" in reply
        site.wait(lambda: not site.click(question))  # noqa: B023 - called now
        site.wait(lambda: site.shows_answer(question))  # noqa: B023 - called now
        assert site.outcomes(question) == ["answered"], parts
