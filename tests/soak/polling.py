"""What a bridge's polling costs an API server: 10,000 open questions beside 3 million task instances.

`.venv/bin/python -m tests.soak.polling --instances 3000000 --questions 10000 --minutes 6.5`. Rows are written
into a migrated metadata database on PostgreSQL; a real bridge polls a real API server of one process, for
questions and for failures. After its first complete pass, the CPU of the API server and of PostgreSQL is
measured until the second one has ended, five minutes later; the goal is 3 s a minute for the API server.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import make_url

from tests.airflow.api_server import ROLES, SECRET, ApiServer
from tests.airflow.conftest import CHAT
from tests.bridge.builders import execute
from tests.failures.waiting import wait_until
from tests.services import postgres
from tests.services.processes import end_on_sigterm, tree
from tests.soak.saying import say

GOAL = 3.0
_TASKS = 100
"""Of each run in the history: the DAG `many`, again and again, one run a quarter of an hour."""
_RUNS = """
INSERT INTO dag_run (id, run_id, logical_date, state, updated_at, {columns})
SELECT 1000000 + n, 'old ' || n, NULL, CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'success' END,
       now() - n * interval '15 minutes', {columns}
FROM dag_run, generate_series(1, :runs) n WHERE run_id = :run
"""
_INSTANCES = """
INSERT INTO task_instance (id, run_id, state, try_number, updated_at, end_date, {columns})
SELECT gen_random_uuid(), 'old ' || n, CASE WHEN random() < 0.02 THEN 'failed' ELSE 'success' END, 1,
       now() - n * interval '15 minutes', now() - n * interval '15 minutes', {columns}
FROM task_instance, generate_series(:first, :last) n WHERE run_id = :run
"""
_WAITING = """
INSERT INTO task_instance (id, map_index, state, try_number, updated_at, {columns})
SELECT gen_random_uuid(), n, 'awaiting_input', 1, now() - interval '1 hour', {columns}
FROM task_instance, generate_series(0, :last) n
WHERE dag_id = 'ask' AND run_id = :run AND task_id = 'q' AND map_index = -1
"""
_ANSWERED = """
INSERT INTO hitl_detail (ti_id, options, subject, multiple, params, assignees, params_input, created_at,
                         responded_at, chosen_options, responded_by)
SELECT id, '["Approve", "Reject"]', 'Deploy?', false, '{}', '[]', '{}', updated_at, updated_at,
       '["Approve"]', '{"id": "bob", "name": "bob"}'
FROM task_instance WHERE run_id LIKE 'old %' AND task_id = 'q7' AND state = 'success'
"""
_OPEN = """
INSERT INTO hitl_detail (ti_id, options, subject, multiple, params, assignees, params_input, created_at)
SELECT id, '["Approve", "Reject"]', 'Deploy number ' || map_index || '?', false, '{}',
       json_build_array(json_build_object('id', who, 'name', who)), '{}', updated_at
FROM (SELECT *, (:people)[1 + map_index % cardinality(:people)] AS who FROM task_instance) asked
WHERE run_id = :run AND map_index >= 0
"""


def fill(server: ApiServer, instances: int, questions: int, people: Sequence[str] = ("bob",)) -> None:
    """Write the history and the open questions, which people are asked in turn, into Airflow's database."""
    asking, model = server.run("ask"), server.run("many")
    runs = instances // _TASKS
    with server.sql.begin() as connection:
        connection.execute(sa.text("SET session_replication_role = replica"))  # The rows fit together.
        params = {"run": model, "runs": runs}
        of_run = _list_columns(connection, "dag_run", {"id", "run_id", "logical_date", "state", "updated_at"})
        connection.execute(sa.text(_RUNS.format(columns=of_run)), params)
    own = {"id", "run_id", "state", "try_number", "updated_at", "end_date"}
    for first in range(1, runs + 1, 2000):
        with server.sql.begin() as connection:
            connection.execute(sa.text("SET session_replication_role = replica"))
            statement = sa.text(_INSTANCES.format(columns=_list_columns(connection, "task_instance", own)))
            last = min(first + 1999, runs)
            connection.execute(statement, {"run": model, "first": first, "last": last})
        say(f"{last * _TASKS} task instances")
    with server.sql.begin() as connection:
        own = {"id", "map_index", "state", "try_number", "updated_at"}
        statement = sa.text(_WAITING.format(columns=_list_columns(connection, "task_instance", own)))
        connection.execute(statement, {"run": asking, "last": questions - 1})
        connection.execute(sa.text(_ANSWERED))
        open_now = sa.text(_OPEN).bindparams(sa.bindparam("people", list(people), ARRAY(sa.Text)))
        connection.execute(open_now, {"run": asking})
    with server.sql.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))


def _list_columns(connection: sa.Connection, table: str, own: set[str]) -> str:
    names = [column["name"] for column in sa.inspect(connection).get_columns(table)]
    return ", ".join(f'"{name}"' for name in names if name not in own)


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process and its children have used; of ended ones, too."""
    ticks = 0
    for tree_pid in tree(pid):
        try:
            fields = Path(f"/proc/{tree_pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def bridge(
    server: ApiServer, home: Path, settings: Mapping[str, str] = MappingProxyType({}), *more: str
) -> subprocess.Popen[bytes]:
    """Start a bridge as it is deployed; it sends nothing unless a person is linked."""
    (home / "lark.yaml").write_text(f"routes:\n  - {{dag: '*', to: {CHAT}, what: failures}}\n")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LARK_")},
        "LARK_DATABASE_URL": server.ours,
        "LARK_CONFIG_ENCRYPTION_KEY": server.key,
        "LARK_BRIDGE_SECRET": SECRET,
        "LARK_APP_ID": "cli_a",
        "LARK_APP_SECRET": "secret",
        "LARK_BASE_URL": "http://127.0.0.1:9",
        "LARK_REGISTRY_PATH": str(home / "applications.db"),
        "LARK_AIRFLOW_URL": server.url,
        "LARK_AIRFLOW_USERNAME": "eve",
        "LARK_AIRFLOW_PASSWORD": "eve",
        "LARK_ROUTES_PATH": str(home / "lark.yaml"),
        **settings,
    }
    with (home / "bridge.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "lark_provider.cli", "airflow", "bridge", *more],
            env=environment,
            stdout=log,
            stderr=log,
        )


def main() -> int:
    """Run it, and return 1 if the goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=3_000_000)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=6.5)
    args = parser.parse_args()
    assert ROLES["eve"] == "viewer"
    home = Path(tempfile.mkdtemp(prefix="bridge-polling-"))
    # No fsync: what is measured is read.
    own = postgres.OwnPostgres({"fsync": "off", "shared_buffers": "512MB"}).start()
    with closing(own), own.server.databases() as databases:
        (home / "api").mkdir()
        metadata = make_url(databases.make()).render_as_string(hide_password=False)
        with ApiServer(home / "api", metadata, databases.make()) as server:
            began = time.monotonic()
            fill(server, args.instances, args.questions)
            say(f"filled in {time.monotonic() - began:.0f} s")
            idle = _measure(server, own.pid, 0.5)
            say(f"without a bridge: API server {idle[0]:.2f} s, PostgreSQL {idle[1]:.2f} s of CPU a minute")
            began, process = time.monotonic(), bridge(server, home)
            try:
                counted = "SELECT count(*) AS n FROM hitl_questions"
                wait_until(lambda: execute(server.database, counted)[0].n >= args.questions, 600)
                say(f"{args.questions} questions recorded after {time.monotonic() - began:.0f} s")
                wait_until(lambda: execute(server.database, "SELECT 1 FROM meta WHERE key LIKE 'fail%'"), 60)
                spent = _measure(server, own.pid, args.minutes)
                assert process.poll() is None, (home / "bridge.log").read_text()[-4000:]
            finally:
                process.terminate()
                process.wait(60)
            say(
                f"{args.instances} task instances, {args.questions} open questions: "
                f"API server {spent[0]:.2f} s, PostgreSQL {spent[1]:.2f} s of CPU a minute (goal {GOAL:g} s "
                f"for the API server); most of it:"
            )
            for row in _slowest(server):
                say(row)
            say(f"logs in {home}")
            return int(spent[0] - idle[0] > GOAL)


def _measure(server: ApiServer, postmaster: int, minutes: float) -> tuple[float, float]:
    before, began = (cpu(server.pid), cpu(postmaster)), time.monotonic()
    time.sleep(minutes * 60)
    passed = (time.monotonic() - began) / 60
    return (cpu(server.pid) - before[0]) / passed, (cpu(postmaster) - before[1]) / passed


def _slowest(server: ApiServer) -> list[str]:
    """Return what the bridge's requests took, by path and query, as the access log has it."""
    taken: dict[str, list[int]] = {}
    for line in server.log().splitlines():
        parts = dict(part.split("=", 1) for part in line.split() if "=" in part)
        if "duration_us" in parts and "path" in parts:
            key = f"{parts['path']} {parts.get('query', '').split('updated_at_gte')[0][:60]}"
            taken.setdefault(key, []).append(int(parts["duration_us"]))
    ranked = sorted(taken.items(), key=lambda item: -sum(item[1]))[:8]
    return [f"  {len(some):5} times {sum(some) / len(some) / 1000:7.1f} ms  {key}" for key, some in ranked]


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
