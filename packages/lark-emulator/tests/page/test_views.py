from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.page.conftest import CHAT

if TYPE_CHECKING:
    from tests.page.conftest import Page

PANE = "document.querySelector('main')"


def _table(page: Page, rows: list[dict[str, Any]]) -> tuple[str, str]:
    page.lark.settings(new_base="bare")
    app = page.api.data("POST", "/bitable/v1/apps", {"name": "Flights"})["app"]
    path = f"/bitable/v1/apps/{app['app_token']}/tables/{app['default_table_id']}"
    for name, kind in (("Delay", 2), ("Carrier", 3), ("Done", 7), ("Day", 5), ("Who", 11)):
        page.api.data("POST", f"{path}/fields", {"field_name": name, "type": kind})
    page.lark.settings(write_ms=0)
    page.api.data("POST", f"{path}/records/batch_create", {"records": [{"fields": row} for row in rows]})
    return app["app_token"], app["default_table_id"]


def _read_cells(page: Page, column: int) -> list[str]:
    rows = "[...document.querySelectorAll('tbody tr')]"
    cells: list[str] = page.browser.ask(f"{rows}.map(row => row.cells[{column}].innerText.trim())")
    return cells


def test_a_base_is_a_table_that_is_sorted_and_changes(page: Page) -> None:
    user = page.lark.state()["users"][1]["open_ids"][page.lark.app_id]
    rows: list[dict[str, Any]] = [
        {"Text": f"flight {n}", "Delay": n * 37 % 101, "Carrier": "UA" if n % 2 else "AA", "Done": n % 3 == 0}
        for n in range(120)
    ]
    rows[7] |= {"Who": [{"id": user}], "Day": 1_700_000_000_000, "Text": "<b>seven</b>"}
    app_token, table_id = _table(page, rows)
    page.open(f"#/bases/{app_token}/{table_id}")
    page.browser.wait("document.querySelectorAll('tbody tr').length === 50")
    seven = page.browser.ask("document.querySelectorAll('tbody tr')[7].innerText")
    assert all(part in seven for part in ("<b>seven</b>", "韩梅梅", "2023-11-1", "57", "UA"))
    page.click_label(PANE, "DelayNumber")
    page.browser.wait("document.querySelector('[aria-sort=ascending]')")
    page.browser.wait("document.querySelectorAll('tbody tr')[1].cells[2].innerText === '0'")
    ascending = [int(cell) for cell in _read_cells(page, 2)]
    assert ascending == sorted(row["Delay"] for row in rows)[:50]
    page.click_label(PANE, "DelayNumber↑")
    page.browser.wait("document.querySelector('tbody tr').cells[2].innerText === '100'")
    page.lark._lark.activity += 1  # nothing has changed: what is shown stays
    page.api.data(
        "POST",
        f"/bitable/v1/apps/{app_token}/tables/{table_id}/records",
        {"fields": {"Text": "late", "Delay": 999}},
    )
    page.browser.wait("document.querySelector('tbody tr').cells[2].innerText === '999'")
    page.browser.click("document.querySelector('[aria-label=\"Next page\"]')")
    page.browser.wait("document.querySelector('tbody tr').cells[0].innerText === '51'")


def test_a_sheet_is_a_grid(page: Page) -> None:
    book = page.api.data("POST", "/sheets/v3/spreadsheets", {"title": "Plan"})["spreadsheet"]
    path = f"/sheets/v3/spreadsheets/{book['spreadsheet_token']}/sheets/query"
    sheet = page.api.data("GET", path)["sheets"][0]["sheet_id"]
    values = {"valueRange": {"range": f"{sheet}!A1:C2", "values": [["<i>a</i>", 2.5, True], [1, None, "z"]]}}
    page.api.data("PUT", f"/sheets/v2/spreadsheets/{book['spreadsheet_token']}/values", values)
    page.open("#/sheets")
    page.browser.wait("document.querySelector('tbody tr')?.innerText.includes('<i>a</i>')")
    assert (_read_cells(page, 2)[:2], _read_cells(page, 3)[:2]) == (["2.5", ""], ["TRUE", "z"])


def test_requests_faults_clock_settings_and_reset_work(page: Page) -> None:
    page.send({"text": "hello"}, "text")
    page.open("#/requests")
    page.browser.wait("document.querySelectorAll('.entry').length === 2")
    page.api("GET", "/im/v1/messages/om_nothing")
    page.browser.wait("document.querySelectorAll('.entry').length === 3")
    assert "230001" in page.browser.ask("document.querySelector('.entry').innerText")
    page.browser.click("document.querySelector('.entry button')")
    page.browser.wait("document.querySelector('.entry-more')?.innerText.includes('log_id')")
    page.browser.ask(
        "window.kept = []; navigator.clipboard.writeText = async text => { window.kept.push(text) }"
    )
    page.click_label("document.querySelector('.entry-more')", "Copy as curl")
    copied = page.browser.wait("window.kept[0]")
    assert copied.startswith(f"curl -X GET '{page.lark.base_url}/open-apis/im/v1/messages/om_nothing'")
    assert "$TENANT_ACCESS_TOKEN" in copied
    assert page.api.http.headers["Authorization"].removeprefix("Bearer ") not in copied

    page.browser.ask("location.hash = '#/faults'")
    page.browser.wait("document.querySelector('form')")
    page.click_label(PANE, "Plan")
    page.browser.wait("document.querySelector('.badge')?.innerText === '1'")
    assert page.api.send()["http"] == 429
    page.browser.wait("!document.querySelector('.badge')")

    page.browser.ask("location.hash = '#/settings'")
    page.browser.wait("document.querySelector('#setting-latency_ms')")
    before = page.lark.state()["now"]
    page.click_label(PANE, "+ 1 day")
    page.browser.wait("document.querySelector('.clock').innerText.includes('ahead')")
    assert page.lark.state()["now"] - before > 86_000
    page.browser.ask("document.querySelector('#setting-latency_ms').select()")
    page.browser.type_text("document.querySelector('#setting-latency_ms')", "5")
    page.browser.press("Enter")
    page.browser.wait_for(lambda: page.lark.settings()["latency_ms"] == 5)
    page.browser.wait("document.querySelector('.setting .mini-tag')")
    page.browser.ask(
        "(one => { one.value = 'error'; one.dispatchEvent(new Event('change', {bubbles: true})) })"
        "(document.querySelector('#setting-uuid_replay'))"
    )
    page.browser.wait_for(lambda: page.lark.settings()["uuid_replay"] == "error")

    page.click_label(PANE, "Reset…")
    page.browser.wait("document.querySelector('.dialog')")
    page.click_label("document.querySelector('.dialog')", "Cancel")
    page.browser.wait("!document.querySelector('.dialog')")
    assert page.lark.settings()["uuid_replay"] == "error"
    page.click_label(PANE, "Reset…")
    page.browser.wait("document.querySelector('.dialog')")
    page.click_label("document.querySelector('.dialog')", "Confirm")
    page.browser.wait_for(lambda: page.lark.settings()["uuid_replay"] == "same")
    page.browser.ask("location.hash = '#/people'")
    page.browser.wait("document.querySelectorAll('.person-card').length === 4")


FORM: list[dict[str, Any]] = [
    {"id": "w1", "type": "input", "name": "Version"},
    {"id": "w2", "type": "radioV2", "name": "Target", "option": [{"value": "k", "text": "Production"}]},
    {"id": "w3", "type": "contact", "name": "On call"},
]


def _ask_for_approval(page: Page, code: str, version: str) -> str:
    form = [
        {"id": "w1", "type": "input", "value": version},
        {"id": "w2", "type": "radioV2", "value": "k"},
        {"id": "w3", "type": "contact", "value": ["carol"]},
    ]
    body = {"approval_code": code, "user_id": "alice", "form": json.dumps(form)}
    instance = page.api.data("POST", "/approval/v4/instances", body)
    return str(instance["instance_code"])


def _become(page: Page, user_id: str) -> None:
    page.browser.ask(
        "((one, id) => { one.value = id; one.dispatchEvent(new Event('change', {bubbles: true})) })"
        f"(document.querySelector('.who select'), {json.dumps(user_id)})"
    )


def test_people_decide_approvals_on_the_page(page: Page) -> None:
    code = page.lark.add_approval(
        "Release",
        form=FORM,
        nodes=[
            {"node_type": "AND", "approvers": ["bob", "carol"], "name": "Leads"},
            {"approvers": ["bob"], "name": "Operations"},
        ],
    )
    first = _ask_for_approval(page, code, "<b>1.2</b>")
    page.open("#/approvals")
    _become(page, "bob")
    approval = f"document.querySelector('[data-instance=\"{first}\"]')"
    page.browser.wait(approval)
    shown = page.browser.ask(f"{approval}.innerText")
    assert all(part in shown for part in ("Release", "<b>1.2</b>", "Production", "Leads", "pending"))
    assert "Carol" in page.browser.ask(f"{approval}.querySelector('.approval-form').innerText")

    second = _ask_for_approval(page, code, "1.3")  # it appears by itself, above the first
    other = f"document.querySelector('[data-instance=\"{second}\"]')"
    page.browser.wait(f"document.querySelector('.approval') === {other}")
    page.browser.wait("document.querySelector('.tree').innerText.includes('2 pending')")

    # With the keyboard alone: a comment, then the button behind it. What is typed outlasts what happens.
    page.browser.ask(f"{approval}.querySelector('textarea').focus()")
    page.browser.type_text(f"{approval}.querySelector('textarea')", "looks good")
    page.lark.decide_approval(second, "reject", user_id="carol", comment="not on a Friday")
    page.browser.wait(f"{other}.innerText.includes('not on a Friday')")
    page.browser.wait(f"{other}.querySelector('.approval-status').innerText === 'rejected'")
    assert page.browser.ask(f"{other}.querySelector('.approval-decide')") is None
    assert page.browser.ask(f"{approval}.querySelector('textarea').value") == "looks good"
    page.browser.press("Tab")
    assert page.browser.ask("document.activeElement.innerText") == "Approve"
    page.browser.press("Enter")
    page.browser.wait(f"{approval}.innerText.includes('looks good')")
    path = f"/approval/v4/instances/{first}"
    [bobs, carols] = page.api.data("GET", path)["task_list"]
    assert (bobs["status"], carols["status"]) == ("APPROVED", "PENDING")
    page.browser.wait(f"!{approval}.querySelector('.approval-decide')")  # the step waits for the other lead

    _become(page, "carol")
    page.browser.wait(f"{approval}.querySelector('textarea')")
    page.click_label(approval, "Approve")
    page.browser.wait(f"{approval}.innerText.includes('Operations')")
    _become(page, "alice")
    page.browser.wait(f"{approval}.querySelector('.approval-decide')?.innerText.trim() === 'Withdraw'")
    _become(page, "bob")
    page.browser.wait(f"{approval}.querySelector('textarea')")
    page.browser.type_text(f"{approval}.querySelector('textarea')", "too late")
    page.click_label(approval, "Reject")
    page.browser.wait(f"{approval}.querySelector('.approval-status').innerText === 'rejected'")
    ended = page.api.data("GET", path)
    assert ended["status"] == "REJECTED"
    assert [entry["comment"] for entry in ended["timeline"] if entry["comment"]] == ["looks good", "too late"]


def test_a_person_withdraws_an_approval_and_the_list_fits_a_phone(page: Page) -> None:
    nodes = [{"node_type": "AND", "approvers": ["bob", "carol"], "name": "Leads"}]
    code = page.lark.add_approval("Release", form=FORM, nodes=nodes)
    first, third = (_ask_for_approval(page, code, version) for version in ("1.2", "1.4"))
    page.lark.decide_approval(first, "reject", comment="x" * 300)
    page.open("#/approvals")
    _become(page, "alice")
    last = f"document.querySelector('[data-instance=\"{third}\"]')"
    page.browser.wait(f"{last}?.querySelector('.approval-decide')")
    page.click_label(last, "Withdraw")
    page.browser.wait(f"{last}.querySelector('.approval-status').innerText === 'withdrawn'")
    page.browser.ask(
        "(one => { one.value = 'REJECTED'; one.dispatchEvent(new Event('change', {bubbles: true})) })"
        "(document.querySelector('.approval-filter'))"
    )
    page.browser.wait("document.querySelectorAll('.approval').length === 1")
    page.browser.ask(f"location.hash = '#/approvals/{code}'")
    page.browser.wait("document.querySelector('.approval-definition')?.innerText.includes('Leads (all of ')")

    page.browser.resize(375, 800, phone=True)
    page.browser.wait("document.documentElement.scrollWidth <= innerWidth")
    assert page.browser.ask(
        "(one => one.scrollWidth <= one.clientWidth)(document.querySelector('.approval-list'))"
    )
    page.browser.click("document.querySelector('.language')")
    page.browser.wait("document.querySelector('.approval-filter')?.innerText.includes('已拒绝')")
    page.browser.click("document.querySelector('.language')")
    page.browser.resize(1200, 1600)


def test_approvals_come_in_windows(page: Page) -> None:
    code = page.lark.add_approval("Release", form=FORM, nodes=[{"approvers": ["bob"]}])
    empty = page.lark.add_approval("Holiday")
    instances = [_ask_for_approval(page, code, str(n)) for n in range(23)]
    page.lark.decide_approval(instances[0], "approve")
    url = f"{page.lark.base_url}/_emulator/view/approvals"
    window = httpx.get(url, params={"start": "20"}).json()
    assert (window["total"], [approval["code"] for approval in window["items"]]) == (23, instances[2::-1])
    counts = {
        definition["code"]: (definition["total"], definition["pending"])
        for definition in window["definitions"]
    }
    assert counts == {code: (23, 22), empty: (0, 0)}
    window = httpx.get(url, params={"status": "APPROVED", "approval_code": code}).json()
    assert [approval["code"] for approval in window["items"]] == instances[:1]
    for wrong in ({"limit": "201"}, {"approval_code": "nothing"}, {"user": "bob"}, {"status": "GONE"}):
        refused = httpx.get(url, params=wrong)
        assert (refused.status_code, "error" in refused.json()) == (400, True), wrong
    page.open(f"#/approvals/{code}")
    page.browser.wait("document.querySelectorAll('.approval').length === 20")
    page.browser.click("document.querySelector('[aria-label=\"Next page\"]')")
    page.browser.wait("document.querySelectorAll('.approval').length === 3")


def test_an_urgent_message_is_marked(page: Page) -> None:
    message_id = page.send({"text": "down"}, "text")
    page.open()
    name = page.wait_until_drawn(message_id)
    for kind in ("phone", "app", "app"):
        user = page.lark.state()["users"][1]["open_ids"][page.lark.app_id]
        path = f"/im/v1/messages/{message_id}/urgent_{kind}"
        page.api.data("PATCH", path, {"user_id_list": [user]}, user_id_type="open_id")
    page.browser.wait(f"{name}.querySelectorAll('.urgent').length === 2")
    marks = f"[...{name}.querySelectorAll('.urgent')]"
    assert page.browser.ask(f"{marks}.map(one => one.innerText)") == ["urgent (app)", "urgent (phone)"]
    assert page.browser.ask(f"{marks}.map(one => one.title)") == ["Bob", "Bob"]


def test_ten_thousand_messages_stay_usable(page: Page) -> None:
    first = page.send({"text": "number 0"}, "text")
    world = page.lark._lark.world
    chat, model = world.chats[CHAT], world.messages[first]
    for n in range(1, 10_000):
        message = type(model)(
            f"om_{n}",
            CHAT,
            "text",
            model.content,
            json.dumps({"text": f"number {n}"}),
            model.app_id,
            n,
            n,
            [],
        )
        chat.messages.append(message)
        world.messages[message.message_id] = message
    page.open()
    page.browser.wait("document.querySelector('.messages').innerText.includes('number 9999')")
    articles = "document.querySelectorAll('article').length"
    assert page.browser.ask(articles) <= 120
    for _ in range(8):
        lowest = page.browser.ask("document.querySelector('article').dataset.message")
        page.browser.ask("document.querySelector('.messages').scrollTop = 0")
        page.browser.wait(f"document.querySelector('article').dataset.message !== '{lowest}'")
        page.browser.ask("new Promise(done => setTimeout(done, 50))")
    assert page.browser.ask(articles) <= 120
    assert not page.browser.ask("document.querySelector('.messages').innerText.includes('number 9999')")
    page.send({"text": "the newest"}, "text")
    page.browser.wait("document.querySelector('.to-newest')?.innerText.includes('1 new')")
    page.browser.click("document.querySelector('.to-newest')")
    page.browser.wait("document.querySelector('.messages').innerText.includes('the newest')")
    page.browser.wait("!document.querySelector('.to-newest')")


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sorting_many_records_leaves_others_their_turn(page: Page, order: str) -> None:
    app_token, table_id = _table(page, [{"Text": "row"}])
    count = 60_000
    page.lark.make_rows(app_token, table_id, count, {"Text": "row {n}"})
    url = f"{page.lark.base_url}/_emulator/view/records"
    query = {"app_token": app_token, "table_id": table_id, "sort": "Text", "order": order, "limit": "3"}
    turns, loop = [0], page.lark._loop
    assert loop is not None
    answers: list[Any] = []

    def tick() -> None:
        turns[0] += 1
        if not answers:
            loop.call_soon(tick)

    loop.call_soon_threadsafe(tick)
    before = turns[0]
    answer = httpx.get(url, params=query, timeout=120).json()
    meanwhile = turns[0] - before
    answers.append(answer)
    assert meanwhile > 50  # sorted in one go, others would have had their turn twice
    names = sorted(("row", *(f"row {n}" for n in range(count))), reverse=order == "desc")
    assert [item["fields"]["Text"] for item in answer["items"]] == names[:3]
    assert answer["total"] == count + 1


def test_a_person_who_has_never_seen_it_is_told_what_is_what(page: Page) -> None:
    """What the page is, what people are called in the reader's language, and what each setting is about."""
    page.open()
    page.browser.wait("document.querySelector('.chat-list')?.innerText.includes('a stand-in for Lark')")
    assert (
        page.browser.ask("document.querySelector('.who select').selectedOptions[0].text") == "Alice (alice)"
    )
    assert page.browser.ask("document.querySelector('.chat-about').innerText").startswith(
        "Alice, Bob, Carol,"
    )
    page.browser.click("document.querySelector('.language')")
    page.browser.wait("document.querySelector('.chat-about')?.innerText.startsWith('李雷, 韩梅梅, 王芳,')")
    assert "飞书的替身" in page.browser.ask("document.querySelector('.chat-list').innerText")
    page.browser.click("document.querySelector('.language')")
    page.browser.ask("location.hash = '#/settings'")
    page.browser.wait("document.querySelectorAll('.setting small').length > 100")
    assert page.browser.ask("[...document.querySelectorAll('.setting small')].every(one => one.innerText)")
    page.browser.type_text("document.querySelector('input[type=search]')", "custom fields? no: pings")
    page.browser.wait("document.querySelectorAll('.setting').length === 0")
    page.browser.ask("document.querySelector('input[type=search]').select()")
    page.browser.type_text("document.querySelector('input[type=search]')", "seconds between their pings")
    page.browser.wait("document.querySelector('.setting')?.innerText.includes('ping_interval')")
