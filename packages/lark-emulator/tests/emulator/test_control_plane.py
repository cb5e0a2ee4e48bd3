from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator import Emulator
from lark_emulator.world.world import World
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from tests.emulator.conftest import Sheet


def test_state_holds_the_default_world(lark: Emulator) -> None:
    state = lark.state()
    assert [app["app_id"] for app in state["apps"]] == ["cli_1a2b3c4d5e6f0001"]
    alice = state["users"][0]
    assert alice["email"] == "alice@example.com"
    assert alice["open_ids"] == {"cli_1a2b3c4d5e6f0001": "ou_emulator0001_alice"}
    (chat,) = state["chats"]
    assert (chat["chat_id"], chat["name"], chat["users"]) == (
        "oc_emulator_data_team",
        "Data team",
        ["alice", "bob", "carol"],
    )


def test_state_shows_messages_and_records_and_the_summary_does_not(
    api: Api, sheet: Sheet, lark: Emulator
) -> None:
    api.send(text="hello", uuid="u-1")
    sheet.add({"Text": "a"})
    state = lark.state()
    (message,) = state["chats"][0]["messages"]
    assert (message["content"], message["uuid"], message["sender"]) == (
        {"text": "hello"},
        "u-1",
        "cli_1a2b3c4d5e6f0001",
    )
    (table,) = state["bitables"][0]["tables"]
    assert (table["record_count"], table["records"][0]["fields"]) == (1, {"Text": "a"})
    summary = api.http.get("/_emulator/state?summary=1").json()
    assert "messages" not in summary["chats"][0]
    assert "records" not in summary["bitables"][0]["tables"][0]
    assert summary["by_endpoint"]["POST /open-apis/im/v1/messages"] == 1


def test_secrets_and_tokens_never_show(api: Api, lark: Emulator) -> None:
    token = api.login()
    api.send()
    seen = api.http.get("/_emulator/state").text + api.http.get("/_emulator/requests").text
    assert lark.app_secret not in seen
    assert token not in seen


def test_the_request_log(api: Api, lark: Emulator) -> None:
    answer = api.send()
    token, message = lark.requests()
    assert (token["status"], token["app_id"]) == (200, None)
    assert message["route"] == "POST /open-apis/im/v1/messages"
    assert message["query"] == [["receive_id_type", "chat_id"]]
    assert (message["status"], message["code"], message["app_id"]) == (200, 0, "cli_1a2b3c4d5e6f0001")
    assert message["body_size"] > 0
    assert answer["code"] == 0


def test_reset(api: Api, lark: Emulator) -> None:
    api.send()
    lark.settings(latency_ms=1)
    lark.fault(status=500)
    lark.advance(10_000)
    assert api.http.post("/_emulator/reset").json() == {}
    state = lark.state()
    assert (state["requests"], state["chats"][0]["messages"], len(state["chats"])) == (0, [], 1)
    assert lark.settings()["latency_ms"] == 0
    assert api("GET", "/bot/v3/info")["code"] == 99991663


def test_initial_settings_survive_a_reset() -> None:
    lark = Emulator(settings={"token_life": 60})
    lark.settings(token_life=90)
    lark.reset()
    assert lark.settings()["token_life"] == 60


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"latency": 1}, "latency"),
        ({"latency_ms": "1"}, "latency_ms"),
        ({"latency_ms": True}, "latency_ms"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"rate_limits": 1}, "rate_limits"),
        ({"receiver_qps": 1.5}, "receiver_qps"),
        ({"uuid_replay": "maybe"}, "uuid_replay"),
        ({"card_templates": [1]}, "card_templates"),
        ({"rate_limit_overrides": {"x": []}}, "rate_limit_overrides"),
        ({"rate_limit_overrides": {"GET /x": [[1]]}}, "rate_limit_overrides"),
    ],
)
def test_bad_settings_are_named_and_change_nothing(api: Api, changes: dict[str, Any], named: str) -> None:
    before = api.http.get("/_emulator/settings").json()
    answer = api.http.post("/_emulator/settings", json={"write_ms": 5, **changes})
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert api.http.get("/_emulator/settings").json() == before


def test_apps_users_and_chats_can_be_added(api: Api) -> None:
    def post(what: str, body: Any) -> Any:
        return api.http.post(f"/_emulator/{what}", json=body).json()

    app = post("apps", {"app_id": "cli_two", "name": "Two", "scopes": ["im:message"]})
    user = post("users", {"user_id": "dave", "email": "dave@example.com"})
    assert app["app_secret"]
    assert user["open_ids"]["cli_two"] == "ou_two_dave"
    chat = post("chats", {"name": "Both", "users": ["dave"], "bots": ["cli_two", "cli_1a2b3c4d5e6f0001"]})
    assert api.send(chat["chat_id"])["code"] == 0
    assert "known" in post("users", {"nick": "x"})["error"]


@pytest.mark.parametrize("body", [{"advance": -1}, {"advance": "1"}, {}, {"advance": True}, {"to": 1}])
def test_the_clock_only_moves_forward(api: Api, body: Any) -> None:
    assert api.http.post("/_emulator/clock", json=body).status_code == 400
    before = api.http.get("/_emulator/state").json()["now"]
    assert api.http.post("/_emulator/clock", json={"advance": 3600}).json()["now"] >= before + 3600


def test_unknown_controls_list_the_known_ones(api: Api) -> None:
    answer = api.http.get("/_emulator/nothing")
    assert answer.status_code == 404
    assert "GET /_emulator/state" in answer.json()["known"]
    wrong = api.http.post("/_emulator/settings", content=b"[", headers={"Content-Type": "application/json"})
    assert wrong.status_code == 400
    assert api.http.post("/_emulator/settings", json=[]).status_code == 400


def test_a_crash_is_an_answer_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("broken on purpose")

    with Emulator() as lark:
        api = Api(lark)
        monkeypatch.setattr(World, "find_user", broken)
        assert (api.send("alice")["http"], lark.state(summary=True)["crashes"]) == (500, 1)
        assert "broken on purpose" in capsys.readouterr().err
        assert api("GET", "/bot/v3/info")["code"] == 0
        monkeypatch.setattr(World, "add_user", broken)
        assert api.http.post("/_emulator/users", json={}).status_code == 500
        assert lark.state(summary=True)["crashes"] == 2
        api.http.close()


def test_parts_of_the_state_come_in_pages(api: Api, sheet: Sheet, lark: Emulator) -> None:
    lark.settings(rate_limits=False, receiver_qps=0)
    sent = [api.send(text=str(n))["data"]["message_id"] for n in range(5)]
    sheet.add_many([{"fields": {"Text": str(n)}} for n in range(3)])

    def state(**query: Any) -> Any:
        return api.http.get("/_emulator/state", params=query).json()

    first = state(only="chats,messages", limit=2)
    assert [chat["name"] for chat in first["chats"]] == ["Data team"]
    assert [message["message_id"] for message in first["messages"]] == sent[:2]
    assert first["next"] == {"messages": sent[1]}
    page = state(only="messages", limit=2, after=sent[1])
    assert [message["message_id"] for message in page["messages"]] == sent[2:4]
    last = state(only="messages", limit=2, after=page["next"]["messages"])
    assert ([message["message_id"] for message in last["messages"]], last["next"]) == (sent[4:], {})
    (record,) = state(only="records", limit=1)["records"]
    assert (record["fields"], record["app_token"]) == ({"Text": "0"}, sheet.app["app_token"])
    assert state(only="users,apps,bitables,webhooks,wiki_nodes,uploads")["next"] == {}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"only": "people"}, "'only' knows apps, users"),
        ({"only": "users", "limit": "0"}, "'limit' must be"),
        ({"only": "users", "limit": "x"}, "'limit' must be"),
        ({"only": "users", "after": "nobody"}, "is not an id of users"),
        ({"only": "users,apps", "after": "alice"}, "name one in 'only'"),
        ({"limit": "1"}, "name one in 'only'"),
        ({"only": "users", "from": "1"}, "unknown member 'from'"),
    ],
)
def test_wrong_pages_are_refused(api: Api, query: dict[str, str], said: str) -> None:
    answer = api.http.get("/_emulator/state", params=query)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text
