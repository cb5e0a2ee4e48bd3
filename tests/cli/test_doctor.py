from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

import lark_provider.api
from lark_provider import LarkServiceClient
from lark_provider.api import scopes
from lark_provider.storage.applications import ApplicationManager
from tests.cli.conftest import Run

CHAT = "oc_emulator_data_team  Data team"


def run_doctor(run: Run, code: int, *options: str) -> dict[str, dict[str, Any]]:
    """Run `doctor --json`, assert its exit code and status, and return its checks by name."""
    done = run("doctor", "--json", *options)
    assert (done.code, done.err) == (code, "")
    answer = json.loads(done.out)
    assert answer["status"] == ("healthy" if code == 0 else "unhealthy")
    for result in answer["checks"]:
        assert result["status"] == "healthy" or "Next: " in result["text"]
    return {check["name"]: check for check in answer["checks"]}


@pytest.fixture
def base(lark: Emulator) -> dict[str, str]:
    """Create a base that the app may use, and return its `app_token` and `default_table_id`."""
    app: dict[str, str] = dict(LarkServiceClient().clouddoc.bitable.create_app("订单").data["app"])  # type: ignore[arg-type] # texts only
    return app


def test_all_is_well_and_the_chats_are_listed(run: Run, lark: Emulator, base: dict[str, str]) -> None:
    link = f"https://x.feishu.cn/base/{base['app_token']}?table={base['default_table_id']}"
    checks = run_doctor(run, 0, "--bitable", link)
    assert list(checks) == ["http", "app", "token", "bot", "chats", "scopes", "bitable"]
    assert {check["status"] for check in checks.values()} == {"healthy"}
    assert checks["app"]["text"] == f"{lark.app_id} at {lark.base_url}"
    assert checks["chats"]["details"] == [CHAT]
    assert checks["bitable"]["details"] == [f"{base['default_table_id']}  Table 1"]
    done = run("doctor")
    assert (done.code, done.err) == (0, "")
    assert f"    {CHAT}\n" in done.out


def test_all_pages_of_the_chats(run: Run, lark: Emulator) -> None:
    for number in range(120):
        lark.add_chat(f"Chat {number}", bots=[lark.app_id])
    assert len(run_doctor(run, 0)["chats"]["details"]) == 121


def test_the_name_of_a_group_cannot_redraw_the_report(run: Run, lark: Emulator) -> None:
    lark.add_chat("x\x1b[2K\r✓ scopes  enough\n✓ bot", bots=[lark.app_id])
    lark.change_app(scopes=["im:message", "im:chat:readonly"])
    lines = run("doctor").out.splitlines()
    assert not [line for line in lines if not line.isprintable()]
    assert [line.split()[:2] for line in lines if line.startswith(("✓ scopes", "✗ scopes"))] == [
        ["✗", "scopes"]
    ]
    assert any(line.endswith("  x [2K ✓ scopes  enough ✓ bot") for line in lines)


@pytest.mark.parametrize("token", ["again", ""])
def test_a_listing_that_would_not_end_is_a_fault(run: Run, lark: Emulator, token: str) -> None:
    data = {"items": [], "has_more": True, "page_token": token}
    body = json.dumps({"code": 0, "msg": "success", "data": data})
    lark.fault("GET", "*/im/v1/chats", status=200, body=body, times=9)
    checks = run_doctor(run, 1)
    assert (checks["chats"]["status"], checks["scopes"]["status"]) == ("unhealthy", "healthy")
    assert "page_token" in checks["chats"]["text"]


def test_missing_scopes_come_as_a_text_to_paste(run: Run, lark: Emulator) -> None:
    lark.change_app(scopes=["im:message:send_as_bot", "im:chat"], pending_scopes=["bitable:app"])
    checks = run_doctor(run, 1)
    text = checks["scopes"]["text"]
    assert text.startswith("not enough for messages, files, people, bitable, sheets, drive, approval, wiki. ")
    assert f"{lark.base_url}/app/{lark.app_id}" in text
    assert json.loads(checks["scopes"]["details"][0]) == {
        "scopes": {
            "tenant": [
                "im:message",
                "im:resource",
                "contact:user.id:readonly",
                "contact:contact.base:readonly",
                "bitable:app",
                "sheets:spreadsheet",
                "drive:drive",
                "approval:approval",
                "wiki:wiki:readonly",
            ],
            "user": [],
        }
    }
    assert run_doctor(run, 0, "--uses", "chats")["scopes"]["text"] == "enough for chats"
    assert run("doctor", "--uses", "rockets").code == 2


def test_granted_what_was_pasted_all_is_well(run: Run, lark: Emulator) -> None:
    lark.change_app(scopes=[])
    wanted = json.loads(run_doctor(run, 1)["scopes"]["details"][0])["scopes"]["tenant"]
    lark.change_app(scopes=wanted)
    run_doctor(run, 0)


def test_record_events_want_a_subscription_and_a_right(
    run: Run, lark: Emulator, base: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--uses", "record_events", "--bitable", f"https://x.feishu.cn/base/{base['app_token']}")
    events = run_doctor(run, 0, *options)["record_events"]
    assert (events["status"], "subscribe" in events["text"]) == ("warning", True)
    with LarkServiceClient() as client:
        client.clouddoc.drive.subscribe(base["app_token"], type="bitable")
    events = run_doctor(run, 0, *options)["record_events"]
    assert "acting as a user" in events["text"]
    assert json.loads(events["details"][0])["scopes"] == {"tenant": [], "user": ["drive:drive"]}
    other = lark.add_app("cli_other")
    lark.share_document(base["app_token"], "app:cli_other", "edit")
    monkeypatch.setenv("LARK_APP_ID", "cli_other")
    monkeypatch.setenv("LARK_APP_SECRET", other["app_secret"])
    assert "right to manage it" in run_doctor(run, 1, *options)["record_events"]["text"]


def test_an_app_without_a_bot(run: Run, lark: Emulator) -> None:
    lark.change_app(bot=False)
    checks = run_doctor(run, 1)
    assert "add Bot, and publish a version" in checks["bot"]["text"]
    assert checks["chats"]["status"] == "unhealthy"
    assert checks["scopes"]["status"] == "healthy"


def test_a_bot_that_is_not_in_use(run: Run, lark: Emulator) -> None:
    bot = {"code": 0, "msg": "ok", "bot": {"activate_status": 1}}
    lark.fault(path="*/bot/v3/info", status=200, body=json.dumps(bot))
    assert "enable the app in the tenant's admin console" in run_doctor(run, 1)["bot"]["text"]


def test_a_bot_in_no_chat_is_a_warning(run: Run, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    other = lark.add_app("cli_other")
    monkeypatch.setenv("LARK_APP_ID", "cli_other")
    monkeypatch.setenv("LARK_APP_SECRET", other["app_secret"])
    chats = run_doctor(run, 0)["chats"]
    assert (chats["status"], chats["details"]) == ("warning", [])


def test_a_base_that_was_not_shared_does_not_exist_or_is_something_else(
    run: Run, lark: Emulator, base: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"https://x.feishu.cn/base/{base['app_token']}?table=tblNone"
    bitable = run_doctor(run, 1, "--bitable", table)["bitable"]
    assert "has no table tblNone. Next: take one of these" in bitable["text"]
    assert len(bitable["details"]) == 1
    for wrong, says in (
        ("bascnNone", "1254040"),
        ("", "Next: pass the app_token"),
        ("https://x.feishu.cn/sheets/shtcn", "must lead to a bitable, got a sheet"),
        ("https://example.com", "must lead to a Lark document"),
    ):
        assert says in run_doctor(run, 1, "--bitable", wrong)["bitable"]["text"]
    other = lark.add_app("cli_other")
    monkeypatch.setenv("LARK_APP_ID", "cli_other")
    monkeypatch.setenv("LARK_APP_SECRET", other["app_secret"])
    assert (
        "share the document with the app"
        in run_doctor(run, 1, "--bitable", base["app_token"])["bitable"]["text"]
    )


def test_without_a_token_nothing_more_is_asked(
    run: Run, lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LARK_APP_SECRET", "wr0ng-secret")
    checks = run_doctor(run, 1)
    assert list(checks) == ["http", "app", "token"]
    assert checks["token"]["text"].startswith("Failed to get token: 10014")
    assert "wr0ng" not in json.dumps(checks)
    monkeypatch.delenv("LARK_APP_ID")
    checks = run_doctor(run, 1)
    assert list(checks) == ["http", "app"]
    assert "The registry must be at" in checks["app"]["text"]
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    monkeypatch.chdir(tmp_path)
    assert "No Lark credentials" in run_doctor(run, 1)["app"]["text"]


def test_an_app_of_the_registry(
    run: Run, lark: Emulator, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LARK_APP_ID", "LARK_APP_SECRET"):
        monkeypatch.delenv(name)
    apps.create_application(lark.app_id, lark.app_secret)
    assert "several active apps. Next: " in run_doctor(run, 1)["app"]["text"]
    assert run_doctor(run, 0, "--app-id", lark.app_id)["app"]["text"].startswith(lark.app_id)
    assert "'cli_b' is not in registry" in run_doctor(run, 1, "--app-id", "cli_b")["app"]["text"]


def test_the_scopes_are_those_of_larks_pages_for_every_endpoint_that_is_used(lark: Emulator) -> None:
    package = Path(lark_provider.__file__).parent
    pages = json.loads(files("lark_emulator").joinpath("documented.json").read_text("utf-8"))["endpoints"]
    ours = {endpoint: one_of for area in scopes.AREAS.values() for endpoint, one_of in area.items()}
    assert {endpoint: sorted(one_of) for endpoint, one_of in ours.items()} == {
        endpoint: sorted(pages[endpoint]["scopes"]) for endpoint in ours
    }
    text = "".join(path.read_text("utf-8") for path in sorted((package / "api").rglob("*.py")))
    used = set(re.findall(r"(?:GET|POST|PUT|PATCH|DELETE) /open-apis/[a-z_0-9/:]+[a-z_0-9]", text))
    assert {endpoint for endpoint in used if pages.get(endpoint, {}).get("scopes")} <= set(ours)
    assert len(used) > 20


def test_the_help_names_what_is_checked_only_if_it_is_named(run: Run, lark: Emulator) -> None:
    done = run("doctor", "--help")
    [others] = re.findall(r"everything but (.+?)\)", " ".join(done.out.split()))
    assert set(re.split(r", | and ", others)) == scopes.AREAS.keys() - set(scopes.USUAL)
    checked = run_doctor(run, 0)["scopes"]["text"]
    assert checked == f"enough for {', '.join(scopes.USUAL)}"
