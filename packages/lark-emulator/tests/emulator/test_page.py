"""The page over plain HTTP: files, the live stream, windows of data."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Api


def test_files_are_kept_by_their_version_and_nothing_else_is_served(api: Api) -> None:
    first = api.http.get("/")
    policy = first.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    again = api.http.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.http.head("/").headers["content-length"] == str(len(first.content))
    addresses = re.findall(r'(?:src|href)="([^"]+)"', first.text)
    assert len(addresses) == 9
    for address in addresses:
        answer = api.http.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"].endswith("immutable")
        assert answer.headers["x-content-type-options"] == "nosniff"
        old = api.http.get(re.sub("/_page/[^/]+/", "/_page/0/", address))
        assert (old.content, old.headers["cache-control"]) == (answer.content, "no-cache")
    for path in (
        "x/../service.py",
        "x/%2e%2e/service.py",
        "x//etc/passwd",
        "x/index.html",
        "x/js",
        "x/",
        "uploads/img_x",
    ):
        assert api.http.get(f"/_page/{path}").status_code == 404
    assert api.http.post(addresses[0], json={}).status_code == 405
    assert api.http.get("/_emulator/state").json()["requests"] == 1  # the page's are not in the log


def test_nothing_of_the_page_comes_from_elsewhere(api: Api) -> None:
    pending, seen = ["/"], set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        text = api.http.get(path).text
        folder = path.rpartition("/")[0]
        here = httpx.URL(f"http://x{folder}/")
        imported = re.findall(r'(?:from|import)\s*"(\./[^"]+|\.\./[^"]+)"', text)
        pending += [here.join(address).path for address in imported]
        pending += re.findall(r'(?:src|href)="(/[^"]+)"', text)
        assert not re.findall(r'(?:src|href|from|import|url)\s*[=(]?\s*["\'](?:https?:)?//', text), path
    assert len(seen) > 35


def test_a_live_stream_tells_what_happens_and_ends_with_the_emulator() -> None:
    heard: list[dict[str, Any]] = []
    more = threading.Condition()
    ended = threading.Event()

    def listen(url: str) -> None:
        with httpx.Client(timeout=60) as client, client.stream("GET", url) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            try:
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        with more:
                            heard.append(json.loads(line.removeprefix("data: ")))
                            more.notify_all()
            except httpx.TransportError:
                pass  # an emulator that stops breaks its connections
        ended.set()

    def wait_for_more(known: int) -> int:
        with more:
            assert more.wait_for(lambda: len(heard) > known, timeout=60)
            return len(heard)

    with Emulator() as lark:
        threading.Thread(target=listen, args=(f"{lark.base_url}/_page/live",), daemon=True).start()
        count = wait_for_more(0)
        httpx.get(f"{lark.base_url}/open-apis/bot/v3/info")  # a program's request
        count = wait_for_more(count)
        lark.advance(5)  # a control in this process
        count = wait_for_more(count)
        httpx.post(f"{lark.base_url}/_emulator/users", json={"user_id": "dora"})
        count = wait_for_more(count)
        lark.reset()
        wait_for_more(count)
        assert heard[-1]["generation"] == heard[0]["generation"] + 1
    assert ended.wait(60)


def test_windows_refuse_what_they_do_not_know(api: Api) -> None:
    good = {"messages": {"chat_id": "oc_emulator_data_team"}, "requests": {}, "overview": {}, "settings": {}}
    for name, query in good.items():
        assert api.http.get(f"/_emulator/view/{name}", params=query).status_code == 200
    bad: list[tuple[str, dict[str, str]]] = [
        ("messages", {"chat_id": "oc_nothing"}),
        ("messages", {"chat_id": "webhook:0"}),
        ("messages", {**good["messages"], "limit": "201"}),
        ("messages", {**good["messages"], "start": "-1"}),
        ("messages", {**good["messages"], "start": "\u0661"}),
        ("requests", {"before": "x"}),
        ("records", {"app_token": "x", "table_id": "y"}),
        ("sheet", {"token": "x", "sheet_id": "y"}),
        ("overview", {"x": "1"}),
    ]
    for name, query in bad:
        answer = api.http.get(f"/_emulator/view/{name}", params=query)
        assert (answer.status_code, bool(answer.json()["error"])) == (400, True), (name, query)


def test_no_credential_shows_in_the_requests(api: Api) -> None:
    token, secret = api.login(), api.credentials["app_secret"]
    api.send(text=f"said by mistake: {token} and {secret}")
    shown = api.http.get("/_emulator/view/requests").text
    assert "/open-apis/im/v1/messages" in shown
    assert secret not in shown
    assert token not in shown


def test_what_a_custom_bot_posts_is_a_chat_without_its_token(api: Api, lark: Emulator) -> None:
    url = lark.add_webhook("Alerts", token="t0ken-of-the-hook")
    posted = {"msg_type": "text", "content": {"text": "disk full"}}
    assert api.http.post(url, json=posted).json()["code"] == 0
    overview = api.http.get("/_emulator/view/overview")
    assert "t0ken" not in overview.text
    [hook] = overview.json()["webhooks"]
    window = api.http.get("/_emulator/view/messages", params={"chat_id": hook["chat_id"]})
    assert "t0ken" not in window.text
    [message] = window.json()["items"]
    assert (message["sender_name"], message["content"]) == ("Alerts", {"text": "disk full"})


@pytest.mark.parametrize(
    "at", ["body.elements.0", "body.elements.7", "x", "body..", "body.elements.-1", "body"]
)
def test_a_place_without_a_component_is_refused(api: Api, at: str) -> None:
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x"}]}}
    body = {"receive_id": "oc_emulator_data_team", "msg_type": "interactive", "content": json.dumps(card)}
    sent = api.data("POST", "/im/v1/messages", body, receive_id_type="chat_id")["message_id"]
    answer = api.http.post(f"/_emulator/cards/{sent}/click", json={"user": "alice", "at": at})
    assert (answer.status_code, "of the card" in answer.json()["error"]) == (400, True)
