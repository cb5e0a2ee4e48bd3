"""Three tasks of people who know the pages alone: each page is followed word by word."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from tests.airflow.conftest import AirflowHome, airflow_home
from tests.tutorials.conftest import Open
from tests.tutorials.following import PAGES

__all__ = ["airflow_home"]

APP, SECRET = "cli_a1b2c3d4e5f6a7b8", "reports-secret"
CHAT, SANDBOX = "oc_84983ff6516d731e5b5f68d4ea2e1da5", "oc_5ad11d72b830411d72b836c20fb0d1b5"
TABLE = "https://example.feishu.cn/base/bascnOrders?table=tblOrders"
FEISHU = "https://open.feishu.cn"


@pytest.fixture
def machine(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set up an app of the tenant on the local Lark, and return the variables of a machine that uses it."""
    lark.settings(rate_limits=False)
    lark.add_app(APP, secret=SECRET, name="Reports")
    lark.add_chat("Data team", chat_id=CHAT, users=["alice"])
    monkeypatch.setenv("LARK_APP_ID", APP)
    monkeypatch.setenv("LARK_APP_SECRET", SECRET)
    return {"LARK_BASE_URL": lark.base_url, "LARK_APP_ID": APP, "LARK_APP_SECRET": SECRET}


def read_texts(lark: Emulator) -> list[str]:
    [chat] = [candidate for candidate in lark.state()["chats"] if candidate["chat_id"] == CHAT]
    return [message["content"].get("text", "a card") for message in chat["messages"]]


def test_load_this_csv_every_night_and_tell_the_group(
    lark: Emulator, machine: dict[str, str], opened: Open, installed: Path, airflow_home: AirflowHome
) -> None:
    lark.change_chat(CHAT, add_bots=[APP])
    bitable = LarkServiceClient().clouddoc.bitable
    base = bitable.create_app("Shop").data["app"]
    kinds = (("No", fields.TEXT), ("Paid", fields.NUMBER))
    columns = [fields.Field(field_name=name, type=kind) for name, kind in kinds]
    table_id = bitable.create_table(base["app_token"], "Orders", columns).data["table_id"]
    link = f"{base['url']}?table={table_id}"
    reader = opened("how-to/csv-every-night.md", machine, {TABLE: link}, installed)
    blocks = [block for _, section in reader.sections() for block in section]
    for block in blocks:
        reader.follow(block)
    assert read_texts(lark) == ["Orders: 2 unchanged"]
    reader.type_commands("sh nightly.sh")  # again in the same night
    assert read_texts(lark) == ["Orders: 2 unchanged"]
    reader.type_commands("echo A-3,x >> orders.csv")
    [failing] = re.findall(r"^sh nightly.sh .*$", blocks[2].code, re.MULTILINE)
    reader.type_commands(failing)
    assert read_texts(lark)[1:] == [f"❌ The orders of {dt.date.today()} were not loaded"]  # noqa: DTZ011 - its clock
    [dag] = [block.code for block in blocks if block.language == "python"]
    orders = airflow_home.home / "orders.csv"
    orders.write_text("No,Paid\nA-1,12.5\nA-4,1\n")
    own = dag.replace(TABLE, link).replace("file:///srv/orders/orders.csv", orders.as_uri())
    (airflow_home.dags / "nightly.py").write_text(own)
    connected = {"conn_type": "lark", "login": APP, "password": SECRET, "host": lark.base_url}
    airflow_home.env["AIRFLOW_CONN_LARK_DEFAULT"] = str(connected).replace("'", '"')
    airflow_home.airflow("dags", "test", "orders_every_night", "2026-11-24")
    assert read_texts(lark)[2:] == ["Orders: 1 new"]


def test_rotate_the_secret_of_the_app(
    lark: Emulator, machine: dict[str, str], opened: Open, installed: Path, tmp_path: Path
) -> None:
    registered = machine | {"LARK_REGISTRY_PATH": str(tmp_path / "apps.db")}
    del registered["LARK_APP_SECRET"]
    reader = opened("how-to/rotate-app-secret.md", registered, {FEISHU: lark.base_url}, installed)
    reader.type_commands(
        'export LARK_CONFIG_ENCRYPTION_KEY="$(lark-provider key generate)"\n'
        f"echo {SECRET} | lark-provider app add --app-id {APP} --app-secret - --name Reports"
    )
    reader.type_commands("lark-provider doctor --uses messages")
    (tmp_path / "reader" / "new-secret.txt").write_text("new-secret\n")
    followed = []
    for section, blocks in reader.sections():
        if section == "2. Reset it":
            lark.change_app(APP, secret="new-secret")
        for block in blocks:
            reader.follow(block)
        followed.append(section)
    assert followed == ["2. Reset it", "3. Put the new one into the registry", "4. Check"]


def test_the_bot_says_230002(lark: Emulator, machine: dict[str, str], opened: Open, installed: Path) -> None:
    lark.add_chat("Sandbox", chat_id=SANDBOX, users=["alice"], bots=[APP])
    reader = opened("how-to/bot-not-in-chat.md", machine, {FEISHU: lark.base_url}, installed)
    for section, blocks in reader.sections():
        if section == "Add the bot":
            lark.change_chat(CHAT, add_bots=[APP])
        for block in blocks:
            reader.follow(block)
    assert read_texts(lark) == ["hello"]


def test_each_page_has_its_test() -> None:
    here = "".join(file.read_text("utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    pages = [page.relative_to(PAGES).as_posix() for page in (PAGES / "tutorials").glob("*.md")]
    unfollowed: list[Any] = [name for name in pages if name not in here and not name.endswith("/index.md")]
    assert unfollowed == []
