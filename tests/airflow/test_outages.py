"""A part is down while a person clicks: the click is applied after that, or refused and told; once each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from lark_emulator import Emulator

from tests.airflow.click_site import ClickSite
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
    with ExitStack() as stack:
        lark = stack.enter_context(Emulator())
        lark.settings(rate_limits=False)
        metadata = stack.enter_context(postgres_server.databases()).make()
        yield ClickSite(tmp_path, metadata, lark, stack)


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
            told = site.click(question)
            # Without a gateway Lark's own client tells that the click did not arrive.
            assert told.startswith("code ") if parts == ("gateway",) else "again" in told
        site.wait(lambda: not site.click(question))  # noqa: B023 - called now
        site.wait(lambda: site.shows_answer(question))  # noqa: B023 - called now
        assert site.outcomes(question) == ["answered"], parts
