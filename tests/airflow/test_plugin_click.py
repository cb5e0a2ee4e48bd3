"""Clicks on a real API server: applied as the person who clicked, or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.airflow.api_server import ApiServer
from tests.services.postgres import PostgresServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[ApiServer]:
    with postgres_server.databases() as databases:
        made = ApiServer(tmp_path_factory.mktemp("api"), databases.make(), databases.make())
        try:
            made.wait()
            for user in ("alice", "bob", "eve"):
                made.link(user)
            yield made
        finally:
            made.close()


def test_a_click_answers_as_the_person(server: ApiServer) -> None:
    asked = server.ask()
    done = server.deliver(server.click(asked, "bob", "Reject"))
    assert (done.status_code, done.json()["outcome"]) == (200, "answered"), server.log()[-6000:]
    found = server.answer_of(asked)
    assert found["responded_by_user"] == {"id": "bob", "name": "bob"}
    assert found["chosen_options"] == ["Reject"]
