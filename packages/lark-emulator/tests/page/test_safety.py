"""What a hostile web page, and a hostile card, can do: nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.page.conftest import Page

_ATTACKS = """
<!doctype html><title>hostile</title><iframe name=sink></iframe>
<form id=plain method=post enctype=text/plain target=sink><input name='{"x":"' value='"}'></form>
<script>
const lark = LARK, said = {}, paths = PATHS;
const text = (path, options) => fetch(lark + path, options).then(
  answer => answer.text().then(body => answer.type + " " + body.length), error => "refused");
window.attack = async () => {
  for (const path of paths) {
    const body = JSON.stringify({times: 1, status: 500, advance: 86400, latency_ms: 5, user: "alice"});
    said["form " + path] = await new Promise(done => {
      const form = document.getElementById("plain");
      form.action = lark + path; form.submit(); setTimeout(() => done("sent"), 50);
    });
    for (const [name, options] of Object.entries({
      "no-cors": {method: "POST", mode: "no-cors", body},
      "typed no-cors": {method: "POST", mode: "no-cors", body, headers: {"Content-Type": "text/plain"}},
      "empty": {method: "POST", mode: "no-cors"},
      "untyped": {method: "POST", mode: "no-cors", body: new Blob([body])},
      "cors": {method: "POST", body, headers: {"Content-Type": "application/json"}},
      "delete": {method: "DELETE"},
    })) said[name + " " + path] = await text(path, options);
    const typed = new Blob([body], {type: "text/plain"});
    said["beacon " + path] = String(navigator.sendBeacon(lark + path, typed));
  }
  for (const path of ["/_emulator/state", "/_emulator/view/overview", "/_page/live", "/"]) {
    said["read " + path] = await text(path, {});
    said["script " + path] = await new Promise(done => {
      const one = document.createElement("script");
      one.onload = () => done("loaded"); one.onerror = () => done("refused");
      one.src = lark + path; document.body.append(one);
    });
  }
  said.frame = await new Promise(done => {
    const one = document.createElement("iframe");
    one.onload = () => done(one.contentDocument ? "blank" : "none");
    one.src = lark + "/"; document.body.append(one);
  });
  return said;
};
</script>
"""


@pytest.fixture
def hostile(page: Page) -> Iterator[str]:
    """Serve a page of another origin, and return its address."""
    sent = page.send({"elements": [{"tag": "action", "actions": [_BUTTON]}]})
    paths = ["faults", "reset", "clock", "settings", "users", f"cards/{sent}/click", "tokens/revoke"]
    html = _ATTACKS.replace("LARK", json.dumps(page.lark.base_url))
    body = html.replace("PATHS", json.dumps([f"/_emulator/{path}" for path in paths])).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


_BUTTON = {"tag": "button", "text": {"tag": "plain_text", "content": "Go"}, "value": {"a": 1}}


def _without_time(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in ("now", "connections")}


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_origin_can_change_and_read_nothing(page: Page, hostile: str, name: str) -> None:
    before = (_without_time(page.lark.state()), page.lark.settings(), page.lark.state()["now"])
    page.browser.open(hostile.replace("127.0.0.1", name))
    page.browser.wait("Boolean(window.attack)")
    said = page.browser.ask("window.attack()")
    assert len(said) > 60
    after = (_without_time(page.lark.state()), page.lark.settings(), page.lark.state()["now"])
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 3600
    assert page.actions() == []
    faults = httpx.get(f"{page.lark.base_url}/_emulator/faults").json()
    assert faults == {"faults": []}
    # What came back is opaque or an error: not one byte of it could be read.
    assert {value for key, value in said.items() if key.startswith(("read", "cors", "delete"))} == {"refused"}
    assert all(value in ("opaque 0", "refused") for key, value in said.items() if "no-cors" in key)
    page.browser.complaints()  # of the hostile page: all the refusals


def test_who_is_refused_is_told_why() -> None:
    with Emulator() as lark:
        url = f"{lark.base_url}/_emulator/faults"
        fault = {"status": 500}
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "file://"):
            answer = httpx.post(url, json=fault, headers={"Origin": origin})
            assert answer.status_code == 403
            assert "must not control the emulator. Next: " in answer.json()["error"]
        for site in ("cross-site", "same-site"):
            answer = httpx.get(f"{lark.base_url}/_emulator/state", headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
            assert "Next: " in answer.json()["error"]
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json"):
            answer = httpx.post(url, content=b'{"status": 500}', headers={"Content-Type": kind})
            assert answer.status_code == 415
            assert "must be application/json" in answer.json()["error"]
        assert httpx.get(url).json() == {"faults": []}
        for host in ("evil.example", "127.0.0.1.evil.example:80"):
            assert httpx.get(lark.base_url, headers={"Host": host}).status_code == 403
        own = {"Origin": lark.base_url, "Sec-Fetch-Site": "same-origin"}
        assert httpx.post(url, json=fault, headers=own).status_code == 200
        typed = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert httpx.post(url, content=b'{"status": 500}', headers=typed).status_code == 200
        assert httpx.post(f"{lark.base_url}/_emulator/reset").status_code == 200  # no body, no type


_SCRIPTS = (
    "<img src=x onerror=owned()>",
    "<script>owned()</script>",
    "[a](javascript:owned())",
    "<a href='javascript:owned()'>b</a>",
    "<link url='data:text/html,<script>owned()</script>'>c</link>",
    "<font color='red;background:url(//evil.example)'>d</font>",
    "<at id='\"><img src=x onerror=owned()>'></at>",
    "![e](http://evil.example/x.png)",
    "<svg onload=owned()>",
    "&lt;img src=x onerror=owned()&gt;",
    "<iframe srcdoc='<script>parent.owned()</script>'></iframe>",
)


def test_a_hostile_card_is_text(page: Page) -> None:
    everything = "\n\n".join(_SCRIPTS)
    plain = {"tag": "plain_text", "content": everything}
    forged = {"type": "img", "props": {"src": "x", "onError": "owned()"}, "__k": None, "constructor": None}
    elements = [
        {"tag": "markdown", "content": everything},
        {"tag": "div", "text": {"tag": "lark_md", "content": everything}},
        {"tag": "div", "text": plain},
        {"tag": "markdown", "content": forged},
        {"tag": "__proto__", "content": "x"},
        {"tag": "constructor", "content": "x"},
        {"tag": "button", "text": plain, "url": "javascript:owned()"},
        {"tag": "button", "text": forged, "multi_url": {"url": "data:text/html,x"}},
        {"tag": "img", "img_key": "../../etc/passwd", "alt": plain},
        {"tag": "img", "img_key": "http://evil.example/x.png", "alt": plain},
        {"tag": "column_set", "columns": [{"tag": "column", "background_style": "url(//evil.example)"}]},
        {"tag": "chart", "chart_spec": {"type": "bar", "title": {"text": everything}, "data": {"values": 7}}},
        {"tag": "table", "columns": [{"name": "__proto__"}], "rows": [{"__proto__": everything}]},
        *[{"tag": tag, "elements": 5, "columns": "x", "options": {"a": 1}, "text": 7} for tag in _TAGS],
        7,
        None,
        [["x"]],
    ]
    # Straight into the emulator's world: sending would refuse most of it.
    card = {"schema": "2.0", "header": {"title": plain, "template": "x y"}, "body": {"elements": elements}}
    sent = page.send({"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x"}]}})
    page.lark._lark.world.messages[sent].sent = json.dumps(card)
    huge = page.send({"text": "a" * 140_000}, "text")
    patterns = ("*a ", "<font color=red>", "[", "> ", "`a", "|a|b|\n|-|-|\n", "- x\n", "😀")
    for pattern in patterns:
        repeated = (pattern * 40_000)[:100_000]
        message_id = page.send({"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x"}]}})
        body = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": repeated}]}}
        page.lark._lark.world.messages[message_id].sent = json.dumps(body)
    page.browser.open("about:blank")
    page.browser.call(
        "Page.addScriptToEvaluateOnNewDocument", source="window.owned = () => { window.was = 1 }"
    )
    page.open()
    page.wait_until_drawn(huge)
    name = page.wait_until_drawn(sent)
    drawn = page.browser.ask(f"{name}.innerText")
    assert "<img src=x onerror=owned()>" in drawn
    assert "<script>owned()</script>" in drawn
    # Whatever can be clicked is clicked, links apart.
    page.browser.ask(f"{name}.querySelectorAll('button, [role=button], summary').forEach(one => one.click())")
    page.browser.ask("new Promise(done => setTimeout(done, 300))")
    assert page.browser.ask("window.was === undefined") is True
    assert page.browser.ask(f"{name}.querySelectorAll('script, iframe, object, embed, link').length") == 0
    links = page.browser.ask(f"[...{name}.querySelectorAll('[href], [src]')].map(one => one.href || one.src)")
    assert all(link.startswith((page.lark.base_url, "https://", "http://evil.example/")) for link in links)
    assert not [link for link in links if "evil.example" in link and "uploads" not in link]
    page.browser.ask("document.querySelectorAll('.dialog button').forEach(one => one.click())")
    complaints = page.browser.complaints()
    # Keys of pictures that were never uploaded are asked for, and are not there; nothing else is said.
    assert [complaint for complaint in complaints if "404" not in complaint and "400" not in complaint] == []


_TAGS = (
    *(
        "column_set",
        "column",
        "interactive_container",
        "collapsible_panel",
        "form",
        "action",
        "note",
        "repeat",
    ),
    *("markdown", "div", "img", "img_combination", "person", "person_list", "hr", "audio", "table", "chart"),
    *("button", "input", "checker", "overflow", "select_static", "multi_select_static", "select_person"),
    *("multi_select_person", "select_img", "date_picker", "picker_time", "picker_datetime"),
)
