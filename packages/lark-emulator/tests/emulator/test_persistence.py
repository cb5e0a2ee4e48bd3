"""Kept state and seeds: what was there is there again, and a wrong file is refused with a sentence."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator import Emulator, Stub
from lark_emulator.__main__ import main
from lark_emulator.lark import Lark
from lark_emulator.persistence import pack, unpack
from lark_emulator.world.apps import DEFAULT_APP_ID
from lark_emulator.world.world import DEFAULT_APP_SECRET, DEFAULT_CHAT_ID
from tests.emulator.app_server import PATIENT, AppServer, Received, Reply
from tests.emulator.clicks.card_buttons import send_card
from tests.emulator.command import SECONDS, Command
from tests.emulator.conftest import Api, Sheet

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/open-apis/im/v1/chats"


def fill(lark: Emulator) -> Api:
    api = Api(lark)
    api.send(text="kept")
    sheet = Sheet(api)
    sheet.add_field("Who", 11)
    assert sheet.add({"Text": "a row", "Who": [{"id": "ou_emulator0001_alice"}]})["code"] == 0
    assert sheet.search({"filter": {"conjunction": "and", "conditions": []}})["code"] == 0
    api.data("POST", "/sheets/v3/spreadsheets", {"title": "S"})
    lark.add_app("cli_isv", store=True)
    lark.add_webhook(token="hook0123")
    lark.add_stubs(Stub(method="GET", path="/open-apis/x", json={"kept": True}, times=2))
    lark.settings(token_life=900)
    lark.advance(5000)
    return api


def test_the_state_is_there_again_tokens_included(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with Emulator(data=tmp_path) as lark:
        api = fill(lark)
        api.login()
        request.addfinalizer(api.http.close)
        assert api.http.get("/open-apis/x").json() == {"kept": True}
        before = lark.state()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "state"]
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
    with Emulator(data=tmp_path, settings={"write_ms": 7}) as lark:
        after = lark.state()
        same = ("apps", "users", "chats", "webhooks", "bitables", "documents", "tokens_issued")
        assert [before[name] for name in same] == [after[name] for name in same]
        assert after["now"] >= before["now"]
        settings = lark.settings()
        assert (settings["token_life"], settings["write_ms"]) == (900, 7)
        with httpx.Client(base_url=lark.base_url, headers=api.http.headers) as http:
            assert http.get(PATH).json()["code"] == 0
            assert [http.get("/open-apis/x").status_code for _ in range(2)] == [200, 404]
        lark.reset()
        assert lark.settings()["token_life"] == 7200
    with Emulator(data=tmp_path) as lark:
        assert len(lark.state()["apps"]) == 1


def test_approvals_go_on_after_a_start_and_plans_for_pages_do_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    form = [{"id": "w1", "type": "input", "name": "Reason"}]
    with Emulator(data=tmp_path) as lark:
        api = Api(lark)
        request.addfinalizer(api.http.close)
        code = lark.add_approval("Deploy", form=form, nodes=[{"approvers": ["bob"]}])
        lark.change_approval(code, reject_to_submitter=True)
        body = {"approval_code": code, "user_id": "alice", "form": "[]"}
        instance = api.data("POST", "/approval/v4/instances", body)["instance_code"]
        assert act(api, "reject", code, instance, "bob") == 0
        lark.settings(new_base="bare")
        app = api.data("POST", "/bitable/v1/apps", {"name": "b"})["app"]
        edits = [{"do": "add", "count": 1, "fields": {"Text": "x"}}]
        lark.plan_page(1, app_token=app["app_token"], table_id=app["default_table_id"], edits=edits)
    with Emulator(data=tmp_path) as lark:
        again = Api(lark)
        request.addfinalizer(again.http.close)
        assert act(again, "resubmit", code, instance, "alice", form="[]") == 0
        assert again("POST", "/approval/v4/instances", body)["code"] == 0
        path = f"/bitable/v1/apps/{app['app_token']}/tables/{app['default_table_id']}/records/search"
        assert again.data("POST", path, {})["total"] == again.data("POST", path, {})["total"] == 0
        assert lark.state(summary=True)["crashes"] == 0


def act(api: Api, name: str, code: str, instance: str, who: str, **more: Any) -> int:
    """Act on the pending task of a person, and return the code of the answer."""
    tasks = api.data("GET", f"/approval/v4/instances/{instance}", user_id_type="user_id")["task_list"]
    (task_id,) = [task["id"] for task in tasks if task["status"] == "PENDING" and task["user_id"] == who]
    body = {"approval_code": code, "instance_code": instance, "user_id": who, "task_id": task_id, **more}
    return int(api("POST", f"/approval/v4/tasks/{name}", body, user_id_type="user_id")["code"])


def test_a_table_that_a_write_holds_is_free_after_a_start() -> None:
    with Emulator(settings={"write_ms": 60_000}) as lark:
        sheet = Sheet(Api(lark))
        with pytest.raises(httpx.ReadTimeout):
            sheet.api.http.post(f"/open-apis{sheet.path}/records", json={"fields": {}}, timeout=0.5)
        sheet.api.http.close()
        content = pack(lark._lark)
    again = Lark()
    unpack(again, content, "state")
    (base,) = again.world.bases.values()
    assert [table.held for table in base.tables.values()] == [None]


def test_an_upload_that_was_going_on_keeps_no_other_out_after_a_start() -> None:
    form = {"file_name": "a", "size": "1", "parent_type": "ccm_import_open"}
    path = "/open-apis/drive/v1/medias/upload_all"
    with Emulator(settings={"upload_ms": 60_000}) as lark:
        api = Api(lark)
        with pytest.raises(httpx.ReadTimeout):
            api.http.post(path, data=form, files={"file": b"x"}, timeout=0.5)
        api.http.close()
        content = pack(lark._lark)
        assert lark._lark.world.drive.uploading
    again = Lark()
    unpack(again, content, "state")
    assert again.world.drive.uploading == {}


def test_a_click_that_was_waiting_locks_no_card_after_a_start() -> None:
    saved: list[bytes] = []

    def answer(_: Received) -> Reply:
        saved.append(pack(lark._lark))
        return Reply()

    with Emulator(settings=PATIENT) as lark, AppServer(answer) as app:
        lark.set_callback(app.url, verify=False)
        api = Api(lark)
        message_id = send_card(api)
        api.http.close()
        lark.click(message_id, "alice")
    again = Lark()
    unpack(again, saved[0], "state")
    assert again.world.messages[message_id].clicks_waiting == 0
    assert [update.answered for update in again.world.card_updates.values()] == [True]


def test_a_write_that_would_have_come_late_is_forgotten_with_its_token() -> None:
    with Emulator(settings={"client_token_waiting": "1254608"}) as lark:
        sheet = Sheet(Api(lark))
        lark.fault("POST", f"/open-apis{sheet.path}/records", drop="late", late_s=3600)
        with pytest.raises(httpx.RemoteProtocolError):
            sheet.add({"Text": "a"}, client_token=str(uuid.uuid4()))
        content = pack(lark._lark)
        assert lark._lark.world.waiting_tokens.total() == 1
    again = Lark()
    unpack(again, content, "state")
    assert again.world.waiting_tokens.total() == 0


def test_a_folder_of_another_version_or_of_something_else_is_refused(tmp_path: Path) -> None:
    with Emulator(data=tmp_path):
        pass
    file = tmp_path / "state"
    content = file.read_bytes()
    head, _, body = content.partition(b"\n")
    words = head.split(b" ")
    evil = pickle.dumps({"world": subprocess.Popen})
    for wrong, said in (
        (content.replace(words[2], b"0.0.9", 1), "was written by lark-emulator 0.0.9, and this is"),
        (content.replace(words[3], b"f" * 16, 1), "by lark-emulator another build of"),
        (content[:-1], "is damaged"),
        (b"PK\x03\x04", "is not a state of lark-emulator"),
        (b"", "is not a state of lark-emulator"),
        (sign(words, evil), "is not part of a state"),
        (sign(words, body[:50]), "cannot be read"),
        (sign(words, pickle.dumps({})), "cannot be read"),
    ):
        file.write_bytes(wrong)
        with pytest.raises(ValueError, match=said) as caught:
            Emulator(data=tmp_path)
        assert "Next:" in str(caught.value)
    file.write_bytes(content)
    with Emulator(data=tmp_path), pytest.raises(ValueError, match="another emulator keeps its state"):
        Emulator(data=tmp_path)
    with pytest.raises(OSError, match="exists"):
        Emulator(data=file)


def sign(words: list[bytes], body: bytes) -> bytes:
    import hashlib

    return b" ".join([*words[:4], hashlib.sha256(body).hexdigest().encode()]) + b"\n" + body


def test_the_command_saves_while_it_runs_and_survives_kills(tmp_path: Path) -> None:
    """Each round is killed at another moment, some while it saves; the old or the new state is there."""
    seen = 0
    for round_ in range(4):
        with Command("--data", str(tmp_path)) as command, httpx.Client(base_url=command.base_url) as http:
            chats = http.get("/_emulator/state", timeout=SECONDS).json()["chats"]
            assert len(chats) > seen
            seen = len(chats) - 1
            http.post("/_emulator/chats", json={"name": "x" * 1000}).raise_for_status()
            saved = (tmp_path / "state").stat().st_mtime_ns if round_ else 0
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                file = tmp_path / "state"
                if file.exists() and file.stat().st_mtime_ns != saved:
                    break
                http.post("/_emulator/users", json={"name": "busy"})
            else:
                pytest.fail("nothing was saved")
            command.process.send_signal(signal.SIGKILL)
    with Command("--data", str(tmp_path)) as command:
        assert len(httpx.get(f"{command.base_url}/_emulator/state").json()["chats"]) >= 5
        assert command.end()[0] == 0


def test_a_write_is_repeated_after_a_start_in_another_process(tmp_path: Path) -> None:
    repeated, path, answers = {"client_token": str(uuid.uuid4())}, "", []
    app = {"app_id": DEFAULT_APP_ID, "app_secret": DEFAULT_APP_SECRET}
    for seed in ("1", "2"):
        with (
            Command("--data", str(tmp_path), PYTHONHASHSEED=seed) as command,
            httpx.Client(base_url=f"{command.base_url}/open-apis", timeout=SECONDS) as http,
        ):
            login = http.post("/auth/v3/tenant_access_token/internal", json=app).json()
            http.headers["Authorization"] = f"Bearer {login['tenant_access_token']}"
            if not path:
                base = http.post("/bitable/v1/apps", json={"name": "b"}).json()["data"]["app"]
                path = f"/bitable/v1/apps/{base['app_token']}/tables/{base['default_table_id']}/records"
            answers.append(http.post(path, params=repeated, json={"fields": {}}).json())
            assert command.end()[0] == 0
    assert answers[0]["code"] == 0
    assert answers[1] == answers[0]


def test_a_disk_that_is_full_is_said_once_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator(data=tmp_path) as lark:
        persister = lark._persister
        assert persister is not None
        (tmp_path / "state.new").mkdir()
        for _ in range(3):
            persister.save()
        assert capsys.readouterr().err.count("cannot be saved") == 1
        (tmp_path / "state.new").rmdir()
        persister.save()
        assert (tmp_path / "state").exists()


SEED = """
[settings]
token_life = 60

[[apps]]
app_id = "cli_two"
name = "Two"

[[users]]
user_id = "dave"
email = "dave@example.com"

[[chats]]
chat_id = "oc_on_call"
name = "On call"
users = ["alice", "dave"]
bots = ["cli_two", "cli_1a2b3c4d5e6f0001"]

[[bases]]
app_token = "bascnSeed"
name = "Incidents"
[[bases.tables]]
name = "Open"
table_id = "tblSeed"
fields = [{ field_name = "Title", type = 1 }, { field_name = "Count", type = 2 }]
rows = [{ Title = "down", Count = 3 }]

[[stubs]]
match = { method = "GET", path = "/open-apis/x" }
answer = { text = "seeded" }
"""


def test_a_seed_is_there_from_the_start_and_not_again(tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    words = ("--seed", str(seed), "--data", str(tmp_path / "data"))
    for _ in range(2):
        with Command(*words) as command, httpx.Client(base_url=command.base_url, timeout=SECONDS) as http:
            state = http.get("/_emulator/state").json()
            assert [chat["chat_id"] for chat in state["chats"]] == [DEFAULT_CHAT_ID, "oc_on_call"]
            (table,) = state["bitables"][0]["tables"]
            assert (table["table_id"], table["records"][0]["fields"]) == (
                "tblSeed",
                {"Title": "down", "Count": 3},
            )
            assert http.get("/_emulator/settings").json()["token_life"] == 60
            assert http.get("/open-apis/x").text == "seeded"
            http.post("/_emulator/chats", json={"name": "more"}).raise_for_status()
            http.post(
                "/_emulator/reset"
            ).raise_for_status()  # to the state of a fresh emulator: with the seed
            assert http.get("/open-apis/x").text == "seeded"
            assert len(http.get("/_emulator/state").json()["chats"]) == 2
            assert command.end()[0] == 0


def test_a_seed_in_json_and_an_unused_stub_is_named_at_the_end(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(
        json.dumps({"users": [{"user_id": "dave"}], "stubs": [{"match": {"path": "/open-apis/y"}}]})
    )
    with Command("--seed", str(seed)) as command:
        assert len(httpx.get(f"{command.base_url}/_emulator/state").json()["users"]) == 4
        code, _, err = command.end()
    assert (code, err) == (0, "unused stub: * /open-apis/y\n")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "s.toml",
            '\n[[users]]\nuser_id = "a"\n\n[[users]]\nnick = "b"\n',
            "line 6: users[1]: unknown member 'nick'",
        ),
        ("s.toml", '[[people]]\nuser_id = "a"\n', "line 1: people: unknown member 'people'"),
        ("s.toml", '[users]\nuser_id = "a"\n', "line 1: users: 'users' must be a list of objects"),
        ("s.toml", "\n[settings]\ntoken_lif = 1\n", "line 3: settings: unknown setting 'token_lif'"),
        ("s.toml", '[[users]]\nuser_id = "alice"\n', "line 1: users[0]: user 'alice' exists already"),
        ("s.toml", '[[chats]]\nname = "x"\nusers = ["nobody"]\n', "chats[0]: no user 'nobody'"),
        ("s.toml", "x = ", "is not TOML"),
        ("s.json", "{", "is not JSON"),
        ("s.json", "[]", "must hold an object"),
        (
            "s.json",
            '{"users": [{"name": "a"},\n {"user_id": "u",\n  "nick": "["}]}',
            "line 3: users[1]: unknown member",
        ),
        (
            "s.json",
            '{\n"bases": [{"tables": [{"name": "T", "fields": [{"type": 1}]}]}]}',
            "line 2: bases[0]: 'fields'",
        ),
        ("s.json", '{"stubs": [{"match": {"path": "x"}}]}', "stubs[0]: no request has the path 'x'"),
        ("s.yaml", "", "neither .toml nor .json"),
    ],
)
def test_a_wrong_seed_is_refused_with_key_and_line(
    tmp_path: Path, name: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert main(["--seed", str(tmp_path / name), "--port", "0"]) == 1
    err = capsys.readouterr().err
    assert said in err, err
    assert f"lark-emulator: {tmp_path / name}" in err


@pytest.mark.parametrize("seconds", [1e300, 1.7e18, 1_700_000_000_000, -1e-9])
def test_the_clock_is_not_moved_out_of_this_world(api: Api, seconds: Any) -> None:
    answer = api.http.post("/_emulator/clock", json={"advance": seconds})
    assert (answer.status_code, "clock" in answer.json()["error"]) == (400, True)
    assert api("GET", "/bot/v3/info")["code"] == 0
