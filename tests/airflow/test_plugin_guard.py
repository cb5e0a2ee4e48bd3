"""One answer counts and none comes too soon: two processes of an API server, and an answer from each side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from lark_provider.storage.api_servers import ApiServers
from tests.airflow.api_server import MANY, ApiServer, Asked
from tests.failures.waiting import wait_until
from tests.services.postgres import PostgresServer
from tests.services.processes import free_port

HOLD = 3.0
WORKERS = 2
_OTHER_TRY = """
import asyncio, sys
import httpx
from airflow.api_fastapi.app import create_app
from lark_provider.plugins.guard import EXPECTED

path, token = sys.argv[1:]
app = create_app(apps="core")

async def main():
    EXPECTED.set("00000000-0000-0000-0000-000000000000")
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": token}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
        answer = await http.patch(path, json={"chosen_options": ["Approve"]})
    print("STATUS", answer.status_code, answer.text)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[ApiServer]:
    with postgres_server.databases() as databases:
        home = tmp_path_factory.mktemp("api")
        with ApiServer(home, databases.make(), databases.make(), workers=WORKERS) as own_server:
            own_server.link("bob")
            yield own_server


def on_page(server: ApiServer, path: str, user: str, option: str, timeout: float = 60) -> int:
    """Answer over a separate connection as Airflow's own page does, and return the status code."""
    with httpx.Client(base_url=server.url, timeout=timeout, headers=server.make_headers(user)) as http:
        return http.patch(path, json={"chosen_options": [option], "params_input": {}}).status_code


def on_card(server: ApiServer, pending: Asked) -> int:
    """Answer with a click, delivering it again while the status code is 503; return the last one."""
    click = server.click(pending, "bob", "Reject")
    while (status := server.deliver(click).status_code) == 503:
        pass
    return status


def together(*answers: Callable[[], int]) -> list[int]:
    """Run functions at the same moment, each in a thread, and return their results."""
    barrier = threading.Barrier(len(answers))

    def one(answer: Callable[[], int]) -> int:
        barrier.wait()
        return answer()

    with ThreadPoolExecutor(len(answers)) as pool:
        return list(pool.map(one, answers))


def test_each_process_records_that_it_is_guarded(server: ApiServer) -> None:
    servers = ApiServers(server.database)
    wait_until(lambda: len(servers.list_servers()) == WORKERS, 60)
    assert servers.are_all_guarded()
    assert len({process.id for process in servers.list_servers()}) == WORKERS
    assert {process.airflow_version for process in servers.list_servers()} <= {
        server.airflow.airflow("version").split()[-1]
    }


def test_of_two_people_on_the_page_one_answers(server: ApiServer) -> None:
    run = server.run("many")
    for place in range(MANY):
        question = server.park("many", run, f"q{place}")
        path = f"/api/v2{question.task.path}/hitlDetails"
        statuses = together(
            lambda path=path: on_page(server, path, "alice", "Approve"),  # type: ignore[misc]
            lambda path=path: on_page(server, path, "bob", "Reject"),  # type: ignore[misc]
        )
        assert sorted(statuses) == [200, 409]
        won = "alice" if statuses[0] == 200 else "bob"
        detail = server.call("GET", path).json()
        assert (detail["responded_by_user"]["name"], detail["chosen_options"]) == (
            won,
            ["Approve" if won == "alice" else "Reject"],
        )


def test_of_page_and_card_one_answers(server: ApiServer) -> None:
    run = server.run("many")
    for place in range(MANY):
        pending = server.record_card(server.park("many", run, f"q{place}"))
        statuses = together(
            lambda question=pending: on_page(server, question.path, "alice", "Approve"),  # type: ignore[misc]
            lambda question=pending: on_card(server, question),  # type: ignore[misc]
        )
        assert sorted(statuses) == [200, 409]
        won = "alice" if statuses[0] == 200 else "bob"
        assert server.read_answer(pending)["responded_by_user"]["name"] == won


def test_an_answer_for_another_try_is_not_written(server: ApiServer) -> None:
    pending = server.ask()
    script = server.home / "other_try.py"
    script.write_text(_OTHER_TRY)
    token = server.make_headers("bob")["Authorization"]
    assert "STATUS 410" in server.airflow.python(str(script), pending.path, token)
    assert not server.read_answer(pending)["response_received"]


def test_a_clear_while_an_answer_waits_wins(server: ApiServer) -> None:
    pending = server.ask()
    old, new = pending.question.task.ti_id, "11111111-1111-7111-8111-111111111111"
    with ThreadPoolExecutor(1) as pool, server.sql.connect() as connection:
        connection.execute(sa.text("SELECT id FROM task_instance WHERE id = :id FOR UPDATE"), {"id": old})
        running = pool.submit(lambda: server.deliver(server.click(pending, "bob")))
        wait_until(lambda: server.waiting() > 0)
        # What a clear does: the task instance gets another id, and the question goes with it.
        changed = sa.text("UPDATE task_instance SET id = :new, state = NULL WHERE id = :old")
        connection.execute(changed, {"new": new, "old": old})
        connection.commit()
        done = running.result()
    assert (done.status_code, done.json()["outcome"]) == (410, "superseded"), done.text
    detail = server.read_answer(pending)
    assert (detail["task_instance"]["id"], detail["response_received"]) == (new, False)


def test_a_click_refused_because_of_a_clear_has_written_nothing(server: ApiServer) -> None:
    for _ in range(20):
        pending = server.ask()
        task = pending.question.task
        body = {"dry_run": False, "dag_run_id": task.run_id, "task_ids": ["q"], "only_failed": False}
        clicked, cleared = together(
            lambda question=pending: on_card(server, question),  # type: ignore[misc]
            lambda body=body: (  # type: ignore[misc]
                server.call("POST", "/api/v2/dags/ask/clearTaskInstances", body).status_code
            ),
        )
        assert cleared == 200
        assert clicked in {200, 410}
        detail = server.read_answer(pending)
        assert detail["task_instance"]["id"] != task.ti_id
        # An answer that came first may go along with the question; the next try wipes it when it asks.
        assert clicked == 200 or not detail["response_received"]


def test_answers_are_held_without_holding_threads(server: ApiServer) -> None:
    run = server.run("many")
    paths = [
        f"/api/v2{server.park('many', run, f'q{place}', seconds=0).task.path}/hitlDetails"
        for place in range(60)
    ]
    server.make_headers("alice")
    with ThreadPoolExecutor(len(paths)) as pool:
        began = time.monotonic()
        running = [pool.submit(on_page, server, path, "alice", "Approve") for path in paths]
        while not any(future.done() for future in running):
            assert server.http.get("/api/v2/version", timeout=HOLD).is_success
        assert [future.result() for future in running] == [200] * len(paths)
    assert time.monotonic() - began > HOLD / 2
    with server.sql.connect() as connection:
        since = sa.text(
            "SELECT min(extract(epoch FROM h.responded_at - h.created_at)) FROM hitl_detail h "
            "JOIN task_instance t ON t.id = h.ti_id WHERE t.run_id = :run"
        )
        assert connection.execute(since, {"run": run}).scalar_one() >= HOLD - 0.5


def test_an_answer_before_the_task_waits_is_held_until_it_does(server: ApiServer) -> None:
    question = server.park("ask", server.run("ask"), "q", state="running")
    path = f"/api/v2{question.task.path}/hitlDetails"
    server.make_headers("alice")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(on_page, server, path, "alice", "Approve")
        with server.sql.begin() as connection:
            parked = sa.text(
                "UPDATE task_instance SET state = 'awaiting_input', updated_at = clock_timestamp() "
                "WHERE id = :id"
            )
            connection.execute(parked, {"id": question.task.ti_id})
        began = time.monotonic()
        assert running.result() == 200
        assert time.monotonic() - began >= HOLD - 0.5


def test_an_answer_whose_client_has_gone_is_not_given(server: ApiServer) -> None:
    question = server.park("ask", server.run("ask"), "q", seconds=0)
    path = f"/api/v2{question.task.path}/hitlDetails"
    with pytest.raises(httpx.ReadTimeout):
        on_page(server, path, "alice", "Reject", timeout=0.5)
    assert on_page(server, path, "bob", "Approve") == 200
    assert server.call("GET", path).json()["responded_by_user"]["name"] == "bob"


def test_without_our_database_airflow_works_and_is_guarded(
    server: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gone = f"postgresql://lark:hidden-word@127.0.0.1:{free_port()}/lark"
    home = tmp_path_factory.mktemp("alone")
    with ApiServer(home, server.metadata, server.ours, {"LARK_DATABASE_URL": gone}, beside=server) as alone:
        pending = server.ask()
        assert alone.deliver(alone.click(pending, "bob")).json()["outcome"] == "unavailable"
        statuses = together(
            lambda: on_page(alone, pending.path, "alice", "Approve"),
            lambda: on_page(server, pending.path, "bob", "Reject"),
        )
        assert sorted(statuses) == [200, 409]
        wait_until(lambda: "API server not recorded in Lark's database" in alone.log())
        assert "hidden-word" not in alone.log()
