"""The page for linking people, on a real API server of Airflow's with the Simple auth manager."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider.storage import migrate
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.bridge_tables import link_codes
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.engine import hold_transaction
from tests.airflow.browser import Browser
from tests.airflow.conftest import AirflowHome
from tests.airflow.link_server import HOST, LinkServer
from tests.failures.waiting import wait_until

PREFIX = "/team/airflow"
USED, INVALID = "used already", "is not valid"


@pytest.fixture(scope="module")
def server(airflow_home: AirflowHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkServer]:
    """Start an Airflow server under a path prefix, as behind a reverse proxy."""
    home = tmp_path_factory.mktemp("link") / "airflow"
    with Emulator() as lark:
        lark.settings(rate_limits=False)
        registry = {"LARK_REGISTRY_PATH": str(home / "applications.db")}
        link_server = LinkServer(airflow_home, home, lark, prefix=PREFIX, settings=registry)
        try:
            link_server.start()
            yield link_server
        finally:
            link_server.close()


@pytest.fixture(autouse=True)
def _nobody_is_linked(server: LinkServer) -> None:
    for linked in server.people.list_links():
        server.people.revoke(linked.person.open_id)


def open_link(client: httpx.Client, code: str) -> httpx.Response:
    """Open a link as a browser does, following its redirect to the link page."""
    first = client.get("/lark/link", params={"code": code})
    assert (first.status_code, first.headers["location"]) == (303, "link"), first.text
    return client.get("/lark/link")


def proof(page: httpx.Response) -> str:
    [value] = re.findall('name="proof" value="([^"]+)"', page.text)
    return str(value)


def confirm(server: LinkServer, client: httpx.Client, proof_value: str, **headers: str) -> httpx.Response:
    sent = {"Origin": server.origin} | headers
    return client.post("/lark/link", data={"proof": proof_value}, headers=sent)


def test_a_person_links_themselves_once(server: LinkServer) -> None:
    code = server.code("alice")
    with server.visitor("bob") as client:
        page = open_link(client, code)
        assert page.status_code == 200, page.text
        assert "<dd>bob" in page.text
        assert "李雷" in page.text
        assert server.find_linked("alice") is None
        proof_value = proof(page)
        done = confirm(server, client, proof_value)
        assert done.status_code == 200, done.text
        assert "Go back to Lark" in done.text
        account = server.find_linked("alice")
        assert account is not None
        assert (account.user_id, account.user_name, account.user["role"]) == ("bob", "bob", "user")
        assert confirm(server, client, proof_value).status_code == 400  # its cookie is gone
        client.cookies.set("lark_link", code, domain=HOST)
        replayed = confirm(server, client, proof_value)
        assert replayed.status_code == 410
        assert USED in replayed.text
        assert USED in open_link(client, code).text
    assert code not in server.log()
    assert "Person linked" in server.log()


def test_without_a_session_airflow_is_asked_to_log_in_and_leads_back(server: LinkServer) -> None:
    with server.visitor() as client:
        answer = open_link(client, server.code("alice"))
        assert answer.status_code == 303
        target = answer.headers["location"]
        assert target == f"{PREFIX}/api/v2/auth/login?next=%2Fteam%2Fairflow%2Flark%2Flink"
        login = client.get(f"{server.origin}{target}")  # Airflow accepts where it leads
        assert login.status_code == 307, login.text
        assert login.headers["location"].startswith(f"{PREFIX}/auth/login")


@pytest.mark.parametrize("next_", ["https://evil.example", "//evil.example", "/%0d%0aSet-Cookie:x=1"])
def test_nothing_of_the_address_leads_elsewhere(server: LinkServer, next_: str) -> None:
    with server.visitor() as client:
        code = server.code("alice")
        first = client.get(
            f"/lark/link?code={code}&next={next_}", headers={"X-Forwarded-Host": "evil.example"}
        )
        assert first.headers["location"] == "link"
        login = client.get(f"/lark/link?next={next_}", headers={"X-Forwarded-Prefix": "//evil.example"})
        assert login.headers["location"].startswith(f"{PREFIX}/api/v2/auth/login?next=%2Fteam%2Fairflow%2F")
        assert "evil" not in str(login.headers)


def test_a_forged_or_foreign_session_is_refused(server: LinkServer) -> None:
    real = server.session("bob")
    head, claims, signature = real.split(".")
    forged = ["x.y.z", f"{head}.{claims}.", f"{head}.{claims}.{signature[::-1]}", "a" * 20_000, "e30.e30.e30"]
    for session in forged:
        with server.visitor() as client:
            # At once, since Airflow takes a cookie away that it has refused.
            client.cookies.set("lark_link", server.code("alice"), domain=HOST)
            client.cookies.set("_token", session, domain=HOST)
            answer = client.get("/lark/link")
            assert answer.status_code == 401
            assert "session is not valid" in answer.text
            assert session not in answer.text
            client.cookies.set("_token", session, domain=HOST)
            assert confirm(server, client, "0" * 64).status_code == 401
    assert server.find_linked("alice") is None
    assert signature not in server.log()


def test_a_code_of_another_person_needs_a_page_of_its_own(server: LinkServer) -> None:
    """A form that was opened for one code does not link the person of another one."""
    with server.visitor("bob") as client:
        mine = proof(open_link(client, server.code("alice")))
        theirs = server.code("bob")
        client.cookies.set("lark_link", theirs, domain=HOST)
        answer = confirm(server, client, mine)
        assert answer.status_code == 403
        assert "Nothing was linked" in answer.text
        assert "韩梅梅" in answer.text  # who would be linked now
        assert server.find_linked("bob") is None
        assert server.find_linked("alice") is None
        assert confirm(server, client, proof(answer)).status_code == 200


def test_the_form_of_another_session_links_nobody(server: LinkServer) -> None:
    code = server.code("alice")
    with server.visitor("bob") as bob, server.visitor("eve") as eve:
        of_bob = proof(open_link(bob, code))
        open_link(eve, code)
        assert confirm(server, eve, of_bob).status_code == 403
        assert server.find_linked("alice") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused(server: LinkServer, headers: dict[str, str]) -> None:
    with server.visitor("bob") as client:
        proof_value = proof(open_link(client, server.code("alice")))
        answer = confirm(server, client, proof_value, **headers)
        assert answer.status_code == 403, answer.text
        assert "another site" in answer.text
        assert server.find_linked("alice") is None
        assert confirm(server, client, proof_value).status_code == 200


def test_a_form_without_an_origin_is_refused(server: LinkServer) -> None:
    with server.visitor("bob") as client:
        proof_value = proof(open_link(client, server.code("alice")))
        assert client.post("/lark/link", data={"proof": proof_value}).status_code == 403


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("proof=", "application/x-www-form-urlencoded", 403),
        ("", "application/x-www-form-urlencoded", 403),
        ("proof=%C3%A9&proof=2", "application/x-www-form-urlencoded", 403),
        ("é", "application/x-www-form-urlencoded", 403),
        ("&".join(f"a{number}=1" for number in range(100)), "application/x-www-form-urlencoded", 403),
        ("proof=" + "0" * 100_000, "application/x-www-form-urlencoded", 413),
        ('{"proof": "x"}', "application/json", 415),
        ('{"proof": "x"}', "text/plain", 415),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_the_form_links_nobody(server: LinkServer, content: str, kind: str, status: int) -> None:
    with server.visitor("bob") as client:
        open_link(client, server.code("alice"))
        sent = {"Origin": server.origin, "Content-Type": kind}
        answer = client.post("/lark/link", content=content.encode(), headers=sent)
        assert answer.status_code == status, answer.text
        assert server.find_linked("alice") is None


@pytest.mark.parametrize(
    "code", ["", "x", "x" * 50_000, "%00" * 30, "%0d%0aSet-Cookie:%20a=b" * 2, "%3Cscript%3E" * 3, "码" * 20]
)
def test_what_is_no_code_is_a_readable_page(server: LinkServer, code: str) -> None:
    with server.visitor("bob") as client:
        answer = client.get(f"/lark/link?code={code}")
        assert answer.status_code == 400
        assert INVALID in answer.text
        assert "<script" not in answer.text
        assert "set-cookie" not in answer.headers
        made_up = open_link(client, "A" * 32)
        assert (made_up.status_code, INVALID in made_up.text) == (400, True)


def test_of_confirmations_at_once_one_counts(server: LinkServer) -> None:
    code = server.code("alice")
    with server.visitor("bob") as client:
        proof_value = proof(open_link(client, code))

    def confirm_link(_: int) -> int:
        with server.visitor("bob") as client:
            client.cookies.set("lark_link", code, domain=HOST)
            return confirm(server, client, proof_value).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(confirm_link, range(6))) == [200, *[410] * 5]


def test_nothing_is_linked_while_lark_cannot_be_asked(server: LinkServer) -> None:
    server.lark.add_user("dora")
    code = server.code("dora")
    server.lark.fault(path="/open-apis/contact/v3/users/batch", status=500, times=4)
    with server.visitor("bob") as client:
        answer = open_link(client, code)
        assert (answer.status_code, "Reload the page" in answer.text) == (503, True)
        assert server.find_linked("dora") is None

        def is_shown() -> bool:  # the code is still good
            return "<dd>dora" in client.get("/lark/link").text

        wait_until(is_shown, 30)


def test_an_expired_code_is_a_readable_page(server: LinkServer) -> None:
    code = server.code("alice")
    with server.visitor("bob", **{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}) as client:
        proof_value = proof(open_link(client, code))
        with hold_transaction(migrate.prepare_engine(server.database)) as connection:
            past = datetime.now(UTC) - timedelta(seconds=1)
            connection.execute(sa.update(link_codes).values(until=past))
        answer = confirm(server, client, proof_value)
        assert answer.status_code == 410
        assert "此链接已过期" in answer.text
        assert '<html lang="zh">' in answer.text
    assert server.find_linked("alice") is None


def test_every_answer_has_the_headers_and_no_secret(server: LinkServer) -> None:
    code = server.code("alice")
    with server.visitor("bob") as client:
        answers = [
            client.get("/lark/link", params={"code": code}),
            client.get("/lark/link"),
            client.get("/lark/link?code=x"),
            client.post("/lark/link", headers={"Origin": "https://evil.example"}),
        ]
        answers.append(confirm(server, client, proof(answers[1])))
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            # The page with the form needs its origin; the others tell nothing at all.
            wanted = "same-origin" if answer is answers[1] else "no-referrer"
            assert answer.headers["referrer-policy"] == wanted
            assert code not in answer.text
            assert server.session("bob") not in answer.text
        cookie = answers[0].headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path" not in cookie  # of the folder, whatever a proxy has before it
    assert code not in server.log()
    assert server.session("bob") not in server.log()


def test_a_link_to_another_user_is_announced_and_replaced(server: LinkServer) -> None:
    with server.visitor("bob") as client:
        confirm(server, client, proof(open_link(client, server.code("alice"))))
    with server.visitor("eve") as client:
        page = open_link(client, server.code("alice"))
        assert "It replaces" in page.text
        assert "bob" in page.text
        confirm(server, client, proof(page))
    account = server.find_linked("alice")
    assert account is not None
    assert account.user_id == "eve"


@pytest.mark.parametrize("status", ["frozen", "resigned", "exited"])
def test_people_who_left_are_refused(server: LinkServer, status: str) -> None:
    server.lark.add_user(f"left_{status}")
    code = server.code(f"left_{status}")
    server.lark.change_user(f"left_{status}", status=status)
    with server.visitor("bob") as client:
        answer = open_link(client, code)
        assert answer.status_code == 403
        assert "is frozen, has left the organization" in answer.text
    assert server.find_linked(f"left_{status}") is None


def test_a_disabled_app_links_nobody(server: LinkServer) -> None:
    environ = server.airflow.env
    keys = EncryptionKeys(environ["LARK_CONFIG_ENCRYPTION_KEY"])
    registered = ApplicationManager(environ["LARK_REGISTRY_PATH"], keys=keys)
    registered.create_application(server.lark.app_id, server.lark.app_secret)
    registered.disable_application(server.lark.app_id)
    with server.visitor("bob") as client:

        def ask() -> httpx.Response:
            return open_link(client, server.code("alice"))

        wait_until(lambda: ask().status_code == 403, 120)
        assert "An administrator has disabled this app" in ask().text
        assert server.find_linked("alice") is None
        registered.enable_application(server.lark.app_id)
        wait_until(lambda: ask().status_code == 200, 120)


def test_names_are_escaped(server: LinkServer) -> None:
    server.lark.add_user("mallory", name="<script>alert(1)</script>&\"'")
    with server.visitor("bob") as client:
        page = open_link(client, server.code("mallory"))
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text


def test_other_methods_and_paths_are_not_there(server: LinkServer) -> None:
    with server.visitor("bob") as client:
        assert client.put("/lark/link").status_code == 405
        assert client.get("/lark/people").status_code == 404
        assert client.get("/lark/link/").status_code == 404


def test_a_browser_logs_in_and_links(server: LinkServer, tmp_path: Path) -> None:
    """The cookies, the policy and the origin of a real browser let all of it pass, behind the prefix."""
    with closing(Browser(tmp_path / "profile")) as browser:
        browser.open(f"{server.url}/lark/link?code={server.code('carol')}")
        browser.wait("document.querySelector('input[type=password]') !== null")
        browser.type_text("document.querySelector('input[name=username]')", "alice")
        browser.type_text("document.querySelector('input[type=password]')", "alice")
        browser.click("[...document.querySelectorAll('button')].find(one => one.innerText === 'Sign in')")
        browser.wait(
            "location.pathname.endsWith('/lark/link') && document.querySelector('form button') !== null"
        )
        browser.picture(tmp_path / "confirm.png")
        shown = str(browser.ask("document.body.innerText"))
        assert "王芳" in shown
        assert "alice" in shown
        assert browser.ask("getComputedStyle(document.querySelector('button')).color") == "rgb(255, 255, 255)"
        browser.click("document.querySelector('form button')")
        browser.wait("document.querySelector('h1')?.innerText === 'Linked'")
        browser.picture(tmp_path / "linked.png")
    account = server.find_linked("carol")
    assert account is not None
    assert account.user_id == "alice"
