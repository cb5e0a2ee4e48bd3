"""Links with FAB's auth manager: its own login, its users of numbers, and users who are deactivated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lark_emulator import Emulator

from tests.airflow.browser import Browser
from tests.airflow.conftest import AirflowHome
from tests.airflow.link_server import LinkServer

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
_LOOK = """
import json, sys
from airflow.api_fastapi.app import create_auth_manager
from lark_provider.plugins import users
from lark_provider.plugins.users import InactiveUserError
from lark_provider.storage import urls
from lark_provider.storage.people import People

create_auth_manager()
def shown(user):
    return None if user is None else [user.get_id(), user.get_name()]
def restored():
    [linked] = people.list_links()
    person = linked.person
    try:
        return shown(users.restore(people.find(person.app_id, person.tenant_key, person.open_id)))
    except InactiveUserError:
        return "inactive"
def change(name, **values):
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    with create_session() as session:
        session.query(User).filter(User.username == name).update(values)

people = People(urls.database(None))
found = {
    "restored": restored(),
    "named": [shown(users.find_by_name(name)) for name in ("bob", "BOB", "alice", "nobody")],
    "with_email": [
        shown(users.find_by_email(f"{one}@Corp.example.COM")) for one in ("bob", "BOB", "%", "b_b")
    ],
}
change("bob", active=False)  # while the auth manager still remembers him
by_email = shown(users.find_by_email("bob@corp.example.com"))
found["deactivated"] = [restored(), shown(users.find_by_name("bob")), by_email]
change("bob", active=True, username="robert")
found["renamed"] = restored()
change("robert", active=None, username="bob")
found["unknown"] = restored()
change("bob", active=True)
found["again"] = restored()
print("FOUND", json.dumps(found))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkServer]:
    home = tmp_path_factory.mktemp("fab")
    with Emulator() as lark:
        lark.settings(rate_limits=False)
        link_server = LinkServer(None, home, lark, settings={"AIRFLOW__CORE__AUTH_MANAGER": FAB})
        link_server.airflow.airflow("db", "migrate")
        for name, role in (("bob", "User"), ("alice", "Viewer")):
            add_user(link_server.airflow, name, role)
        try:
            link_server.start()
            yield link_server
        finally:
            link_server.close()


def add_user(airflow: AirflowHome, name: str, role: str) -> None:
    email = f"{name.capitalize()}@Corp.example.com"  # FAB keeps addresses as they were typed
    options = {
        "username": name,
        "password": name,
        "firstname": name,
        "lastname": "x",
        "email": email,
        "role": role,
    }
    airflow.airflow(
        "users", "create", *(part for key, value in options.items() for part in (f"--{key}", value))
    )


def test_a_browser_logs_in_to_fab_and_links(server: LinkServer, tmp_path: Path) -> None:
    with closing(Browser(tmp_path / "profile")) as browser:
        browser.open(f"{server.url}/lark/link?code={server.code('carol')}")
        browser.wait("document.querySelector('input[name=password]') !== null")
        browser.type_text("document.querySelector('input[name=username]')", "bob")
        browser.type_text("document.querySelector('input[name=password]')", "bob")
        browser.click("document.querySelector('input[type=submit], button[type=submit]')")
        browser.wait(
            "location.pathname === '/lark/link' && document.querySelector('input[name=proof]') !== null"
        )
        browser.picture(tmp_path / "confirm.png")
        browser.click("document.querySelector('form button')")
        browser.wait("document.querySelector('h1')?.innerText === 'Linked'")
    account = server.find_linked("carol")
    assert account is not None
    assert account.auth_manager == FAB
    assert account.user_name == "bob"
    assert re.fullmatch("[0-9]+", account.user_id)  # as `assigned_users` has it
    assert dict(account.user) == {"sub": account.user_id}
    assert (
        server.people.by_user(server.lark.app_id, [account.user_id])[account.user_id][0].account.user_name
        == "bob"
    )


def test_users_of_fab_are_restored_while_they_are_active(server: LinkServer) -> None:
    for linked in server.people.list_links():
        server.people.revoke(linked.person.open_id)
    with server.visitor("bob") as client:
        client.get("/lark/link", params={"code": server.code("alice")})
        [proof] = re.findall('name="proof" value="([^"]+)"', client.get("/lark/link").text)
        done = client.post("/lark/link", data={"proof": proof}, headers={"Origin": server.origin})
        assert done.status_code == 200, done.text
    printed = server.airflow.python("-c", _LOOK)
    results = json.loads(next(line for line in printed.splitlines() if line.startswith("FOUND "))[6:])
    account = server.find_linked("alice")
    assert account is not None
    bob = [account.user_id, "bob"]
    assert results["restored"] == bob
    assert results["named"][:2] == [bob, None]
    assert results["named"][2][1] == "alice"
    assert results["named"][3] is None
    assert results["with_email"] == [bob, bob, None, None]
    assert results["deactivated"] == ["inactive", None, None]
    assert results["renamed"] == "inactive"
    assert results["unknown"] == "inactive"
    assert results["again"] == bob
