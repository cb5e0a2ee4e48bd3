"""The bridge and the plugin on Airflow 3.2, and Airflow's upgrade to 3.3 while questions are open.

`.venv/bin/python -m tests.soak.upgrade` makes an environment with Airflow 3.2, which takes a minute or two,
and runs on PostgreSQL: a question is answered by a click, a failure is told and retried; then Airflow stops
with questions open, some of which are clicked on meanwhile, is migrated by the Airflow of this environment,
and starts again. Each question must have one card, and each card the end that Airflow has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from tests.airflow.bridge_place import BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome, metadata_setting
from tests.airflow.standalone import Standalone
from tests.bridge.builders import execute
from tests.package.environments import EMULATOR, ROOT, environment
from tests.services import postgres
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say

OLD = "3.2.2"
OPEN = 6
"""Questions that are open during the upgrade; a third of them is answered while Airflow is stopped."""
_PINS = {"pydantic": "pydantic<2.13", "fastapi": "fastapi>=0.129,<0.137"}
"""With what is newer, Airflow 3.2.2 does not start."""
_DAGS = f"""
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

def fails():
    if not Path(__file__).with_name("repaired").exists():
        raise ValueError("no rows")

BOB = [{{"id": "bob", "name": "bob"}}]
with DAG("asks"):
    ApprovalOperator(task_id="q", subject="Deploy {{{{ run_id }}}}?", assigned_users=BOB)
with DAG("open", max_active_tasks={OPEN}):
    ApprovalOperator.partial(task_id="q", assigned_users=BOB).expand(
        subject=[f"Open question {{n}}?" for n in range({OPEN})]
    )
with DAG("fails"):
    task(task_id="t")(fails)()
"""
_ROUTES = f"defaults: {{language: en}}\nroutes:\n  - {{dag: '*', to: {CHAT}}}\n"


class Upgrade:
    """One run.

    Args:
        place: Airflow 3.2, the emulator and the processes.
        settings: Of Airflow.
    """

    def __init__(self, place: BridgeSetup, settings: dict[str, str]) -> None:
        self.place, self.settings = place, settings

    def answer(self) -> float:
        """Answer a question by a click, and return the seconds until its task has succeeded."""
        place, run_id = self.place, self.place.run("asks")
        place.wait(lambda: place.messages(f"Deploy {run_id}?"))
        (message,) = place.messages(f"Deploy {run_id}?")
        began = time.monotonic()
        place.lark.click(message["message_id"], "bob", "Approve")
        place.wait(lambda: place.task("asks", run_id)["state"] == "success")
        seconds = time.monotonic() - began
        place.wait(lambda: "bob" in self._read_messages(f"Deploy {run_id}?")[0])
        detail = place.call("GET", f"dags/asks/dagRuns/{run_id}/taskInstances/q/-1/hitlDetails")
        assert detail["responded_by_user"] == {"id": "bob", "name": "bob"}
        return seconds

    def fail(self) -> None:
        """Let a task fail, and retry it by a click."""
        place, run_id = self.place, self.place.run("fails")
        place.wait(lambda: '"retry"' in "".join(self._read_messages(run_id)))
        assert "no rows" in self._read_messages(run_id)[0]
        repaired = place.airflow.airflow.dags / "repaired"
        repaired.touch()
        place.lark.click(place.messages(run_id)[0]["message_id"], "bob", "retry")
        place.wait(lambda: "Recovered" in self._read_messages(run_id)[0])
        repaired.unlink()

    def ask(self) -> str:
        """Open the questions that are to outlast the upgrade, and return their run."""
        run_id = self.place.run("open")
        self.place.wait(lambda: len(self.place.messages("Open question")) == OPEN)
        return run_id

    def migrate(self) -> float:
        """Stop Airflow, answer some questions, migrate and start the new one; return how long, in seconds."""
        place, began = self.place, time.monotonic()
        port = make_url(place.airflow.url.replace("http", "postgresql", 1)).port
        place.airflow.close()
        for number in range(0, OPEN, 3):
            (message,) = place.messages(f"Open question {number}?")
            assert place.lark.click(message["message_id"], "bob", "Reject")["code"] == 0
        home = place.home / "airflow"
        new = AirflowHome(home)
        new.env |= self.settings
        new.airflow("db", "migrate")
        place.airflow = Standalone(new, home, {"asks.py": _DAGS}, self.settings, port)
        place.airflow.wait()
        return time.monotonic() - began

    def settle(self, run_id: str) -> None:
        """Answer what is open still, and compare every card with Airflow."""
        place = self.place
        for number in range(OPEN):
            (message,) = place.messages(f"Open question {number}?")
            if number % 3 == 1:
                place.lark.click(message["message_id"], "bob", "Approve")
            elif number % 3 == 2:  # The last third is answered on Airflow's page.
                path = f"dags/open/dagRuns/{run_id}/taskInstances/q/{number}/hitlDetails"
                body = {"chosen_options": ["Approve"], "params_input": {}}
                place.call("PATCH", path, body, user="bob")
        place.wait(lambda: not any("lark_wait" in text for text in self._read_messages("Open question")), 180)
        wanted = {number: "Approve" if number % 3 else "Reject" for number in range(OPEN)}
        for number, option in wanted.items():
            detail = self._detail(run_id, number)
            (text,) = self._read_messages(f"Open question {number}?")
            assert detail["chosen_options"] == [option], detail
            assert detail["responded_by_user"]["id"] == "bob"
            assert option in text, text
            assert "bob" in text, text
        place.wait(lambda: not self._waiting(run_id), 180)

    def _detail(self, run_id: str, number: int) -> dict[str, Any]:
        path = f"dags/open/dagRuns/{run_id}/taskInstances/q/{number}/hitlDetails"
        detail: dict[str, Any] = self.place.call("GET", path)
        return detail

    def _waiting(self, run_id: str) -> list[str]:
        instances = self.place.call("GET", f"dags/open/dagRuns/{run_id}/taskInstances")["task_instances"]
        return [
            instance["state"] for instance in instances if instance["state"] not in {"success", "skipped"}
        ]

    def _read_messages(self, text: str) -> list[str]:
        return [json.dumps(message["content"], ensure_ascii=False) for message in self.place.messages(text)]


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--environment", type=Path, help="one with Airflow 3.2, made before")
    parser.add_argument("--keep", action="store_true", help="leave the folder with all logs")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bridge-upgrade-"))
    began = time.monotonic()
    old = args.environment or _environment(home / "environment")
    say(f"environment with Airflow {OLD}: {time.monotonic() - began:.0f} s")
    with postgres.find(os.environ).server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        settings = {
            **metadata_setting(make_url(databases.make())),
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
        }
        (home / "model").mkdir()
        model = AirflowHome(home / "model", old / "python")
        place = BridgeSetup(model, home, databases.make(), lark, _DAGS, settings)
        with closing(place):
            place.link()
            (home / "lark.yaml").write_text(_ROUTES)
            place.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
            place.bridge("--failure-seconds", "2")
            place.start("callbacks", "listen")
            place.wait(lark.connections)
            place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
            say(f"Airflow {place.call('GET', 'version')['version']}")
            upgrade = Upgrade(place, place.settings)
            say(f"3.2: click to success {upgrade.answer():.1f} s")
            upgrade.fail()
            say("3.2: a failure was told, retried by a click and recovered")
            run_id = upgrade.ask()
            say(f"{OPEN} questions open; down for the upgrade {upgrade.migrate():.0f} s")
            say(f"Airflow {place.call('GET', 'version')['version']}")
            upgrade.settle(run_id)
            say("all questions ended as Airflow has it, each on one card")
            say(f"3.3: click to success {upgrade.answer():.1f} s")
            upgrade.fail()
    say(f"done in {time.monotonic() - began:.0f} s")
    if not args.keep:
        shutil.rmtree(home)
    return 0


def _environment(folder: Path) -> Path:
    return environment(
        folder,
        f"apache-airflow=={OLD}",
        "apache-airflow-providers-standard",
        "asyncpg",
        "-e",
        ROOT,
        "-e",
        EMULATOR,
        pins=_PINS,
    )


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
