"""The example DAG that asks on a card of our own operator, run by Airflow and clicked through the gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.stores import configured_sinks, make_question_lookup
from lark_provider.storage import urls
from tests.airflow.card_callbacks.clicks_and_cards import buttons, messages
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.callbacks.parts import KnownKeys
from tests.callbacks.serving import serve
from tests.failures.waiting import wait_until
from tests.storage import prepared

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "approve_publish.py"
KEY, TOKEN = "the app's key", "the app's token"


def is_asking(message: dict[str, Any]) -> bool:
    return bool(list(buttons(message["content"])))


def test_a_stranger_is_rejected_and_the_approver_goes_on(
    lark: Emulator, airflow_home: AirflowHome, database_url: str, tmp_path: Path
) -> None:
    prepared.upgrade(urls.parse(database_url, "test"))
    environment = airflow_home.env | {"AIRFLOW__LARK__DATABASE_URL": database_url}
    shutil.copy(EXAMPLE, airflow_home.dags)
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    gateway = Gateway(
        keys,
        configured_sinks(database_url=database_url)[0],
        endpoint=Endpoint(),
        questions=make_question_lookup(database_url),
    )
    conf = json.dumps({"chat_id": CHAT, "approvers": ["ou_emulator0001_alice"]})
    command = [sys.executable, "-m", "airflow", "dags", "test", "approve_publish", "--conf", conf]
    environment["AIRFLOW_CONN_LARK_DEFAULT"] = connection(lark)
    with serve(application(gateway)) as address:
        url = f"{address}/lark/callbacks/{lark.app_id}"
        lark.set_callback(url, encrypt_key=KEY, verification_token=TOKEN)
        log = tmp_path / "run.log"
        with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as run:  # noqa: S603 - ours
            try:
                wait_until(lambda: run.poll() is not None or any(map(is_asking, messages(lark))), 120)
                (asking,) = filter(is_asking, messages(lark))
                form = {"note": "Looks right."}
                lark.click(asking["message_id"], user="bob", component="Publish", form_value=form)
                assert run.poll() is None  # bob may not answer
                lark.click(asking["message_id"], user="alice", component="Publish", form_value=form)
                assert run.wait(120) == 0, log.read_text()[-4000:]
            finally:
                run.kill()
    *_, card, message = messages(lark)
    assert message["content"]["text"] == "Published. Looks right."
    assert (list(buttons(card["content"])), "ou_emulator0001_alice" in str(card["content"])) == ([], True)
