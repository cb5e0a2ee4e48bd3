"""What only a whole Airflow shows: tasks that are killed, and the connection form in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider.hooks.lark import LarkHook
from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.bridge_tables import outbox
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.outbox import Outbox
from tests.airflow.browser import Browser
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.airflow.standalone import Standalone
from tests.failures.waiting import wait_until
from tests.services.postgres import PostgresServer
from tests.storage import prepared

KILLED = f"""
from __future__ import annotations
import os, signal
import pendulum
from airflow.sdk import DAG, task
from lark_provider.notifications import LarkNotifier

tell = LarkNotifier(receiver_id="{CHAT}", language="en", deadline=60)
with DAG("of_the_dag", start_date=pendulum.datetime(2026, 1, 1), schedule=None, on_failure_callback=tell):
    @task
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def raises():
        raise ValueError("on purpose")

    [killed(), raises()]
"""
CROWD = f"""
import pendulum
from airflow.sdk import DAG, task
from lark_provider.notifications import LarkNotifier

tell = LarkNotifier(receiver_id="{CHAT}", language="en", deadline=60)
with DAG("crowd", start_date=pendulum.datetime(2026, 1, 1), schedule=None, max_active_tasks=30,
         on_failure_callback=tell, default_args={{"on_failure_callback": tell}}):
    @task
    def mapped(number):
        raise ValueError(f"number {{number}}")

    mapped.expand(number=list(range(30)))
"""
QUIET = """
import pendulum
from airflow.sdk import DAG, task

with DAG("quiet", start_date=pendulum.datetime(2026, 1, 1), schedule=None):
    @task
    def well():
        pass
    well()
"""
# Our listener, and another that says what a task process has loaded of ours when it ends.
LISTENERS = """
import json, os, sys
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

class Watches:
    @hookimpl
    def on_task_instance_success(self, task_instance):
        ours = sorted(name for name in sys.modules if name.split(".")[0] == "lark_provider")
        with open(os.environ["AIRFLOW_HOME"] + f"/loaded_{task_instance.task_id}", "w") as file:
            json.dump(ours, file)

class Plugin(AirflowPlugin):
    name = "listeners_of_a_test"
    listeners = [Watches()]
"""
LISTENED = "oc_of_the_listener"
BOT = "GET /open-apis/bot/v3/info"
DIALOG = "document.querySelector('[role=dialog]')"


def _read_page_dag() -> str:
    """Return the page's DAG with a longer deadline; its task fails until the file `mended` exists."""
    text = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "notifier.md").read_text()
    block: str
    [block] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert 'open("orders.csv")' in block
    # A busy machine takes more than ten seconds to import what a notifier needs.
    block = block.replace("LarkNotifier(", "LarkNotifier(deadline=60, ")
    return block.replace("oc_…", CHAT).replace('"orders.csv"', 'os.environ["AIRFLOW_HOME"] + "/mended"')


@pytest.fixture(scope="module")
def chat() -> Iterator[Emulator]:
    """Start a local Lark for as long as the Airflow runs."""
    with Emulator() as lark:
        lark.settings(rate_limits=False)
        yield lark


@pytest.fixture(scope="module")
def outbox_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the URL of an upgraded database, for as long as the Airflow runs."""
    with postgres_server.databases() as databases:
        url = databases.make()
        prepared.upgrade(urls.parse(url, "test"))
        yield url
        while engines._engines:
            engines._engines.popitem()[1].dispose()


@pytest.fixture(scope="module")
def standalone(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    chat: Emulator,
    outbox_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Standalone]:
    base = tmp_path_factory.mktemp("whole")
    plugins = base / "plugins"
    plugins.mkdir()
    (plugins / "listeners_of_a_test.py").write_text(LISTENERS)
    chat.add_chat("Failures", chat_id=LISTENED, users=["alice"], bots=[chat.app_id])
    settings = {
        **airflow_database,
        "AIRFLOW_CONN_LARK_DEFAULT": connection(chat),
        "LARK_DATABASE_URL": outbox_url,
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__LARK__FAILURE_LISTENER": "True",
        "AIRFLOW__LARK__FAILURE_RECEIVER": LISTENED,
    }
    dag_files = {
        "killed.py": KILLED,
        "documented.py": f"import os\n{_read_page_dag()}",
        "quiet.py": QUIET,
        "crowd.py": CROWD,
    }
    with closing(Standalone(airflow_home, base / "airflow", dag_files, settings)) as running:
        running.wait()
        yield running


@pytest.fixture(autouse=True)
def _log(standalone: Standalone) -> Iterator[None]:
    """Print the end of Airflow's log, which pytest shows where the test has failed."""
    yield
    print(standalone.log()[-20_000:])  # noqa: T201 - captured


def find_card(chat: Emulator, dag_id: str) -> str:
    """Return the only card about a DAG as JSON, or an empty text if there is none."""
    contents = [message["content"] for message in chat.state()["chats"][0]["messages"]]
    cards = [
        text for text in (json.dumps(content, ensure_ascii=False) for content in contents) if dag_id in text
    ]
    assert len(cards) <= 1
    return "".join(cards)


def test_the_dags_card_names_the_task_that_was_killed_and_the_others_exception(
    standalone: Standalone, chat: Emulator
) -> None:
    wait_until(lambda: standalone.runs("of_the_dag"), 60)
    wait_until(lambda: find_card(chat, "of_the_dag"), 120)
    card = find_card(chat, "of_the_dag").replace("&#40;", "(").replace("&#41;", ")")
    assert "❌ killed process killed (SIGKILL), possibly out of memory" in card, card
    assert "❌ raises ValueError: on purpose" in card


def test_the_listener_reports_a_task_without_a_callback_from_its_own_process(
    standalone: Standalone, chat: Emulator
) -> None:
    if not find_card(chat, "of_the_dag"):
        wait_until(lambda: standalone.runs("of_the_dag"), 60)
    wait_until(lambda: read_listened(chat), 120)
    [card] = read_listened(chat)
    assert "raises" in card
    assert "on purpose" in card
    assert "raise ValueError" in card  # of the traceback


def read_listened(chat: Emulator) -> list[str]:
    [lark_chat] = [candidate for candidate in chat.state()["chats"] if candidate["chat_id"] == LISTENED]
    contents = [json.dumps(message["content"], ensure_ascii=False) for message in lark_chat["messages"]]
    return [content for content in contents if "of_the_dag" in content]


def test_the_listener_costs_a_task_that_succeeds_one_small_module(standalone: Standalone) -> None:
    wait_until(lambda: standalone.runs("quiet"), 60)
    modules_file = standalone.airflow.home / "loaded_well"
    wait_until(lambda: modules_file.exists() and modules_file.read_text(), 120)
    assert set(json.loads(modules_file.read_text())) <= {
        "lark_provider",
        "lark_provider.get_provider_info",
        "lark_provider.plugins",
        "lark_provider.plugins.listener",
        "lark_provider.plugins.plugin",
        "lark_provider.support",
        "lark_provider.support.exports",
    }


def test_the_pages_notifier_shows_the_exception_and_recovers(standalone: Standalone, chat: Emulator) -> None:
    wait_until(lambda: standalone.runs("orders_to_lark"), 60)
    # A task reports its failure after its state, so that the run's own callback may come first.
    wanted = ("DAG 运行失败", "FileNotFoundError")
    wait_until(lambda: all(text in find_card(chat, "orders_to_lark") for text in wanted), 300)
    (standalone.airflow.home / "mended").touch()
    cleared = {"dry_run": False, "only_failed": True, "reset_dag_runs": True}
    [run] = standalone.call("GET", "dags/orders_to_lark/dagRuns")["dag_runs"]
    cleared["dag_run_id"] = run["dag_run_id"]
    standalone.call("POST", "dags/orders_to_lark/clearTaskInstances", cleared)
    wait_until(lambda: "已恢复" in find_card(chat, "orders_to_lark"), 300)


def test_thirty_mapped_tasks_that_fail_in_a_crowd_are_all_on_one_card(
    standalone: Standalone, chat: Emulator, outbox_url: str
) -> None:
    wait_until(lambda: standalone.runs("crowd"), 60)
    # A task reports its failure after its state, so that the run's own callback may come before the last.
    wanted = ("DAG run failed", "30 failures")
    wait_until(lambda: all(text in find_card(chat, "crowd") for text in wanted), 200)
    wait_until(lambda: Outbox.from_config(outbox_url).measure_backlog()[0] == 0, 60)
    card = find_card(chat, "crowd")
    assert all(text in card for text in wanted)
    assert "(30)" in card
    with hold_transaction(engines.get_engine(urls.parse(outbox_url, "test")), reading=True) as connected:
        given_up = sa.select(outbox.c.reason).where(outbox.c.state.not_in(["delivered", "superseded"]))
        assert list(connected.scalars(given_up)) == []


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with closing(Browser(tmp_path / "profile")) as opened:
        yield opened


def button(text: str, within: str = "document") -> str:
    """Return JavaScript that finds the button with a text."""
    return f"[...{within}.querySelectorAll('button')].find(one=>one.innerText.trim()==='{text}')"


def open_form(browser: Browser, standalone: Standalone, name: str) -> None:
    """Open the form for a new connection, and choose the connection type `name`."""
    browser.open(f"{standalone.url}/connections")
    browser.wait(f"{button('Add Connection')} !== undefined")
    browser.click(button("Add Connection"))
    field = f"{DIALOG}?.querySelector('[role=combobox]')"

    def is_offered() -> bool:
        # Typed until it stays: the form is drawn again when the connection types have arrived.
        if browser.ask(f"{field}?.value === ''"):
            browser.type_text(field, name)
        return bool(browser.ask("document.querySelector('[role=option]') !== null"))

    browser.wait_for(is_offered)
    browser.press("Enter")
    browser.wait(f"{DIALOG}.innerText.includes('Extra Fields')")


def show_extra_fields(browser: Browser) -> None:
    """Open the form's section of extra fields, and wait until it is loaded."""
    # Clicked until it stays open: the form is drawn again when its type has arrived.
    opened = "one.getAttribute('aria-expanded') === 'true'"
    pause = "new Promise(done => setTimeout(done, 500))"
    section = button("Extra Fields", DIALOG)
    click = f"if (!({opened})) {{ one.focus(); one.click() }}; await {pause}"
    browser.wait(f"(async () => {{ const one = {section}; {click}; return {opened} }})()")
    browser.wait(f"!{DIALOG}.innerText.includes('Loading')")  # the editors of JSON fields


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "Lark / Feishu",
            {
                "Proxy",
                "Check certificates",
                "Receivers",
                "Redirect all to",
                "Secret from the registry",
                "Owners",
                "Domain of Lark's pages",
            },
        ),
        (
            "Lark / Feishu custom bot",
            {"Signing secret", "Owners", "Keyword", "Proxy", "Check certificates"},
        ),
    ],
)
def test_the_form_asks_for_what_is_read_and_offers_no_null(
    standalone: Standalone, browser: Browser, name: str, labels: set[str]
) -> None:
    open_form(browser, standalone, name)
    show_extra_fields(browser)
    items = f"[...{DIALOG}.querySelectorAll('[data-part=item]')]"
    extra = items + ".find(one=>one.innerText.startsWith('Extra Fields\\n'))"
    lines = browser.ask(f"{extra}.innerText").splitlines()
    assert labels <= set(lines)
    assert not {"null", "*"} & set(lines)  # nothing preset to null, and nothing that has to be filled in
    labelled = browser.ask(f"[...({extra}).querySelectorAll('label')].map(one=>one.innerText.trim())")
    assert labels == {label for label in labelled if label}
    assert browser.ask(f"({extra}).querySelectorAll('[role=combobox]').length") == 0
    places = browser.ask(f"[...{DIALOG}.querySelectorAll('input')].map(one=>one.placeholder).filter(Boolean)")
    assert any("feishu" in placeholder for placeholder in places)


def test_a_connection_made_in_the_form_works(
    standalone: Standalone, browser: Browser, chat: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_form(browser, standalone, "Lark / Feishu")
    host, _, port = chat.base_url.rpartition(":")
    for field, value in {
        "connection_id": "by_hand",
        "host": host,
        "port": port,
        "login": chat.app_id,
        "password": chat.app_secret,
        "element_redirect_all_to": CHAT,
    }.items():
        if field.startswith("element_"):
            show_extra_fields(browser)
        place = f"{DIALOG}.querySelector('[name={field}]')"
        browser.type_text(place, value)
        assert browser.ask(f"{place}.value") == value
    save = button("Save", DIALOG)
    browser.wait(f"!{save}.disabled")
    browser.click(save)
    stored: Any = None

    def is_stored() -> bool:
        nonlocal stored
        everything = standalone.call("GET", "connections")["connections"]
        stored = next(
            (candidate for candidate in everything if candidate["connection_id"] == "by_hand"), None
        )
        return stored is not None

    wait_until(is_stored)
    extra = json.loads(stored["extra"])
    assert extra["registry_app"] is False
    monkeypatch.setenv("AIRFLOW_CONN_BY_HAND", connection(chat, extra=extra))
    hook = LarkHook("by_hand")
    assert hook.test_connection()[0] is True
    assert (hook.owners, hook.receiver("oc_1").id, hook.web_domain) == ({}, CHAT, "")

    # The list's button sends what the list shows; with a port of 0 for none, Airflow refuses it.
    before = chat.state()["by_endpoint"][BOT]
    row = "[...document.querySelectorAll('tbody tr')].find(one=>one.innerText.includes('by_hand'))"
    browser.wait(f"{DIALOG} === null && {row} !== undefined")
    browser.click(f"{row}.querySelector('button[aria-label=\"Test Connection\"]')")
    wait_until(lambda: chat.state()["by_endpoint"][BOT] > before)
