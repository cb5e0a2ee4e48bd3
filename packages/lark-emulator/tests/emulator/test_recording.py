"""Recording: what a real tenant answered is played back, and nothing secret of it can be read in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator import Emulator
from lark_emulator.exchange import Request
from lark_emulator.recording.exchanges import Exchange, make_stubs
from lark_emulator.stubs.stub import Stub
from tests.emulator.command import Command

if TYPE_CHECKING:
    import pytest

TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"
MESSAGES = "/open-apis/im/v1/messages"


def log_in(http: httpx.Client, lark: Emulator) -> str:
    answer = http.post(TOKEN, json={"app_id": lark.app_id, "app_secret": lark.app_secret}).json()
    token = str(answer["tenant_access_token"])
    http.headers["Authorization"] = f"Bearer {token}"
    return token


def send(http: httpx.Client, to: str, text: str) -> Any:
    body = {"receive_id": to, "msg_type": "text", "content": json.dumps({"text": text}), "uuid": text}
    kind = "chat_id" if to.startswith("oc_") else "email"
    return http.post(MESSAGES, json=body, params={"receive_id_type": kind}).json()


def test_another_emulator_is_recorded_and_played_back(
    lark: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message to a person and two to a chat, read back; the same then runs against the stubs alone."""
    lark.add_user("dave", name="Dave Lister", email="dave@corp.test", mobile="+8613912345678")
    file = tmp_path / "stubs.json"
    words = ("record", "--to", str(file), "--upstream", lark.base_url)
    with Command(*words) as command, httpx.Client(base_url=command.base_url, timeout=60) as http:
        token = log_in(http, lark)
        person = send(http, "dave@corp.test", "hi dave@corp.test")["data"]
        first, _ = (send(http, "oc_emulator_data_team", text)["data"] for text in ("one", "two"))
        read = http.get(f"{MESSAGES}/{first['message_id']}").json()["data"]["items"][0]
        assert read["message_id"] == first["message_id"]
        user = http.get("/open-apis/contact/v3/users/dave", params={"user_id_type": "user_id"}).json()
        assert user["data"]["user"]["name"] == "Dave Lister"
        assert http.get("/open-apis/im/v1/chats").json()["data"]["items"]
        image = http.post(
            "/open-apis/im/v1/images", files={"image": b"\x89PNG"}, data={"image_type": "message"}
        )
        assert image.status_code in (200, 400)
        code, out, err = command.end()
    assert (code, err, "stubs in" in out) == (0, "", True)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    secrets = (lark.app_secret, token, "dave@corp.test", "Dave Lister", "13912345678", person["message_id"])
    assert [secret for secret in secrets if secret in text] == []

    names = json.loads(text)["stubs"]
    with Emulator() as player, httpx.Client(base_url=player.base_url) as http:
        http.post("/_emulator/stubs", json={"stubs": names}).raise_for_status()
        log_in(http, player)
        chat = next(
            stub["match"]["body"]["receive_id"]
            for stub in names
            if stub["match"].get("body", {}).get("receive_id", "").startswith("oc_")
        )
        message, other = (send(http, chat, said)["data"] for said in ("one", "two"))
        assert message["message_id"] != other["message_id"]
        again = http.get(f"{MESSAGES}/{message['message_id']}").json()["data"]["items"][0]
        assert (again["message_id"], again["chat_id"]) == (message["message_id"], message["chat_id"])
        assert json.loads(again["body"]["content"]) == {"text": "one"}
        unstubbed = [entry for entry in player.requests() if not entry["answered_by"].startswith("stub")]
        assert unstubbed == []
    assert "Traceback" not in capsys.readouterr().err


def test_an_upstream_that_is_unreachable_is_named_and_not_recorded(tmp_path: Path) -> None:
    with Emulator() as gone:
        upstream = gone.base_url
    file = tmp_path / "s.json"
    with Command("record", "--to", str(file), "--upstream", upstream) as command:
        answer = httpx.get(f"{command.base_url}{MESSAGES}", timeout=60)
        assert (answer.status_code, "cannot be reached" in answer.json()["msg"]) == (502, True)
        assert httpx.get(command.base_url, headers={"host": "evil.test"}).status_code == 403
        assert command.end()[0] == 0
    assert json.loads(file.read_text())["stubs"] == []


def exchange(method: str, path: str, sent: Any, answered: Any, query: Any = (), **headers: str) -> Exchange:
    request = Request(method, path, list(query), headers, b"" if sent is None else orjson.dumps(sent))
    return Exchange(request, 200, "application/json", orjson.dumps(answered))


def test_equal_requests_are_answered_in_order_and_others_told_apart_by_their_bodies() -> None:
    stubs = make_stubs(
        [
            exchange("GET", "/a", None, {"n": 1}),
            exchange("GET", "/a", None, {"n": 1}),
            exchange("GET", "/a", None, {"n": 2}),
            exchange("POST", "/b", {"kind": "x", "uuid": "1"}, {"is": "x"}),
            exchange("POST", "/b", {"kind": "y", "uuid": "2"}, {"is": "y"}),
            exchange("POST", "/c", {"kind": "z"}, {"is": "z"}),
        ]
    )
    assert [(stub["answer"]["json"], stub.get("times"), stub["match"].get("body")) for stub in stubs] == [
        ({"n": 1}, 2, None),
        ({"n": 2}, None, None),
        ({"is": "x"}, None, {"kind": "x"}),
        ({"is": "y"}, None, {"kind": "y"}),
        ({"is": "z"}, None, None),
    ]


SECRET = st.text("abcdefghijkmnpqrsuvwxyzABCDEFGH0123456789", min_size=12, max_size=24).map("S9".__add__)
ANY = st.recursive(
    st.none() | st.booleans() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
PLACES = (
    "open_id",
    "user_id",
    "tenant_access_token",
    "app_secret",
    "email",
    "mobile",
    "ticket",
    "tenant_key",
)


@st.composite
def tenants(draw: st.DrawFn) -> tuple[list[str], list[Exchange]]:
    """Draw secrets, and exchanges that hold each at least once under a name that marks it, and elsewhere."""
    secrets = draw(st.lists(SECRET, min_size=1, max_size=4, unique=True))
    exchanges: list[Exchange] = []
    for secret in secrets:
        shape = draw(st.sampled_from(("plain", "ou_", "email", "t-")))
        value = {"plain": secret, "ou_": f"ou_{secret}", "email": f"{secret}@x.test", "t-": f"t-{secret}"}[
            shape
        ]
        holder: Any = {draw(st.sampled_from(PLACES)): value, "around": draw(ANY)}
        text = f"{draw(st.text(max_size=5))}{value}{draw(st.text(max_size=5))}"
        for _ in range(draw(st.integers(0, 3))):
            how = draw(st.sampled_from(("list", "object", "string")))
            holder = {"list": [holder, text], "object": {"in": holder, value: 1}}.get(
                how, {"content": orjson.dumps(holder).decode()}
            )
        sent, answered = draw(st.sampled_from(((holder, {"text": text}), ({"text": text}, holder))))
        where = draw(st.sampled_from(("/open-apis/a", f"/open-apis/x/{value}", f"/open-apis/x/{value}/y")))
        query = [("q", draw(st.sampled_from((value, text, "")))), (draw(st.sampled_from(PLACES)), value)]
        bearer = {"authorization": f"Bearer {value}"} if draw(st.booleans()) else {}
        exchanges.append(exchange("POST", where, sent, answered, query, **bearer))
        if draw(st.booleans()):  # and in what is not JSON
            request = Request("POST", "/open-apis/t", [], {"content-type": "text/plain"}, text.encode())
            exchanges.append(Exchange(request, 200, "text/html", f"<p>{text}</p>".encode()))
    return secrets, draw(st.permutations(exchanges))


@given(tenants())
def test_no_secret_of_any_exchange_can_be_read_in_the_file(tenant: tuple[list[str], list[Exchange]]) -> None:
    secrets, exchanges = tenant
    stubs = make_stubs(exchanges)
    written = orjson.dumps({"stubs": stubs}).decode()
    assert [secret for secret in secrets if secret in written] == []
    for stub in stubs:
        Stub.from_plan(stub)  # and all of it can be played back


def test_one_value_has_one_pseudonym_wherever_it_stands() -> None:
    stubs = make_stubs(
        [
            exchange(
                "GET", "/users/ou_aaaa1111", None, {"user": {"open_id": "ou_aaaa1111", "name": "Ann Lee"}}
            ),
            exchange(
                "GET", "/x", None, {"text": "Ann Lee (ou_aaaa1111), ou_bbbb2222", "mobile": 13912345678}
            ),
            exchange("GET", "/y", None, {"n": 13912345678, "msg_type": "text", "name": "Data team"}),
        ]
    )
    assert stubs[0]["match"]["path"] == "/users/ou_recorded0001"
    assert stubs[0]["answer"]["json"]["user"] == {"open_id": "ou_recorded0001", "name": "recorded_name_1"}
    assert stubs[1]["answer"]["json"] == {
        "text": "recorded_name_1 (ou_recorded0001), ou_recorded0002",
        "mobile": 0,
    }
    assert stubs[2]["answer"]["json"] == {"n": 0, "msg_type": "text", "name": "Data team"}
