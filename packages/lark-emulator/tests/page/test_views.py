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
    app = page.api.data("POST", "/bitable/v1/apps", {"name": "Flights"})["app"]
    path = f"/bitable/v1/apps/{app['app_token']}/tables/{app['default_table_id']}"
    for name, kind in (("Delay", 2), ("Carrier", 3), ("Done", 7), ("Day", 5), ("Who", 11)):
        page.api.data("POST", f"{path}/fields", {"field_name": name, "type": kind})
    page.lark.settings(write_ms=0)
    page.api.data("POST", f"{path}/records/batch_create", {"records": [{"fields": row} for row in rows]})
    return app["app_token"], app["default_table_id"]


def _cells(page: Page, column: int) -> list[str]:
    rows = "[...document.querySelectorAll('tbody tr')]"
    found: list[str] = page.browser.ask(f"{rows}.map(row => row.cells[{column}].innerText.trim())")
    return found


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
    ascending = [int(cell) for cell in _cells(page, 2)]
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
    assert (_cells(page, 2)[:2], _cells(page, 3)[:2]) == (["2.5", ""], ["TRUE", "z"])


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
    page.browser.type("document.querySelector('#setting-latency_ms')", "5")
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


def test_ten_thousand_messages_stay_usable(page: Page) -> None:
    first = page.send({"text": "number 0"}, "text")
    world = page.lark._lark.world
    chat, model = world.chats[CHAT], world.messages[first]
    for n in range(1, 10_000):
        one = type(model)(
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
        chat.messages.append(one)
        world.messages[one.message_id] = one
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
    found: list[Any] = []

    def tick() -> None:
        turns[0] += 1
        if not found:
            loop.call_soon(tick)

    loop.call_soon_threadsafe(tick)
    before = turns[0]
    answer = httpx.get(url, params=query, timeout=120).json()
    meanwhile = turns[0] - before
    found.append(answer)
    assert meanwhile > 50  # sorted in one go, others would have had their turn twice
    names = sorted(("row", *(f"row {n}" for n in range(count))), reverse=order == "desc")
    assert [item["fields"]["Text"] for item in answer["items"]] == names[:3]
    assert answer["total"] == count + 1
