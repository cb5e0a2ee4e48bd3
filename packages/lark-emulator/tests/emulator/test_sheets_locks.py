"""Protected rows and columns: who may write to them, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.spreadsheet import Book

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

ALICE, BOB = "ou_emulator0001_alice", "ou_emulator0001_bob"


@pytest.fixture
def book(api: Api, lark: Emulator) -> Book:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    return Book(api)


def make_dimension(book: Book, start: Any = 2, end: Any = 3, axis: str = "ROWS") -> dict[str, Any]:
    return {"sheetId": book.sheet_id, "majorDimension": axis, "startIndex": start, "endIndex": end}


def lock(book: Book, *specs: Any, api: Api | None = None) -> Any:
    path = f"{book.v2}/protected_dimension"
    return (api or book.api)("POST", path, {"addProtectedDimension": list(specs)}, user_id_type="open_id")


def lock_ids(book: Book, *specs: Any) -> list[str]:
    return [locked_range["protectId"] for locked_range in lock(book, *specs)["data"]["addProtectedDimension"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"startIndex": 0}, 90204),
        ({"endIndex": 201}, 90223),
        ({"startIndex": 4}, 90223),
        ({"majorDimension": "CELLS"}, 90204),
        ({"sheetId": ""}, 90206),
        ({"sheetId": "nosuch"}, 90215),
    ],
)
def test_what_cannot_be_locked(book: Book, lark: Emulator, changes: Any, code: int) -> None:
    good = {"dimension": make_dimension(book, 9, 9)}
    assert lock(book, good, {"dimension": {**make_dimension(book), **changes}})["code"] == code
    assert lark.sheet(book.token)["locks"] == []


def test_users_and_notes_are_checked(book: Book, lark: Emulator) -> None:
    spec = {"dimension": make_dimension(book)}
    assert lock(book, {**spec, "users": ["ou_emulator0001_nobody"]})["code"] == 90205
    assert lock(book, {**spec, "users": [7]})["code"] == 90205
    assert lock(book, {**spec, "users": "alice"})["code"] == 90204
    assert lock(book, {**spec, "lockInfo": 7})["code"] == 90204
    assert lock(book)["code"] == 90204
    assert lock(book, *[spec] * 51)["code"] == 90226
    assert lark.sheet(book.token)["locks"] == []
    without = {name: value for name, value in make_dimension(book).items() if name != "majorDimension"}
    assert lock(book, {"dimension": without})["code"] == 0
    (shown,) = lark.sheet(book.token)["locks"]
    assert (shown["range"], shown["by"][0], shown["users"]) == ("2:3", "app", [])


def test_one_request_locks_at_most_5000_rows(book: Book) -> None:
    body = {"dimension": {**make_dimension(book), "length": 4900}}
    assert book.api("POST", f"{book.v2}/dimension_range", body)["code"] == 0
    parts = [{"dimension": make_dimension(book, 1, 2500)}, {"dimension": make_dimension(book, 2501, 5001)}]
    assert lock(book, *parts)["code"] == 90226
    assert lock(book, parts[0])["code"] == 0


def test_others_cannot_write_to_what_is_locked(book: Book, api: Api, stranger: Api, lark: Emulator) -> None:
    """The other app may edit the file, and the app that owns it may write everywhere."""
    lark.share_document(book.token, "app:cli_stranger", "edit")
    (lock_id,) = lock_ids(book, {"dimension": make_dimension(book), "lockInfo": "totals"})
    theirs = f"{book.v2}/values"
    for cells, code in (("A2:A2", 90218), ("A1:A2", 90218), ("A4:A4", 0), ("A1:A1", 0)):
        assert (
            stranger("PUT", theirs, book.make_body(cells, [["x"]] * (2 if cells == "A1:A2" else 1)))["code"]
            == code
        )
    image = {"range": book.range("B2:B2"), "image": [1], "name": "a.png"}
    assert stranger("POST", f"{book.v2}/values_image", image)["code"] == 90218
    assert stranger("POST", f"{book.path}/filter_views", {"range": book.range("A1:B9")})["code"] == 1310218
    assert lock(book, {"dimension": make_dimension(book, 3, 5)}, api=stranger)["code"] == 90218
    gone = {"protectIds": [lock_id]}
    assert stranger("DELETE", f"{book.v2}/protected_range_batch_del", gone)["code"] == 90218
    change = {"requests": [{"protectId": lock_id, "lockInfo": "mine"}]}
    assert stranger("POST", f"{book.v2}/protected_range_batch_update", change)["code"] == 90218
    assert book.put("A2:A2", [["ours"]])["code"] == 0
    assert lock(book, {"dimension": make_dimension(book, 7, 7)}, api=stranger)["code"] == 0
    assert stranger("PUT", theirs, book.make_body("A7:A7", [["x"]]))["code"] == 0
    assert book.put("A7:A7", [["ours"]])["code"] == 0
    assert api.data("DELETE", f"{book.v2}/protected_range_batch_del", gone) == {"delProtectIds": [lock_id]}
    assert stranger("PUT", theirs, book.make_body("A2:A2", [["x"]]))["code"] == 0


def test_users_who_are_named_may_write(book: Book, lark: Emulator) -> None:
    (lock_id,) = lock_ids(book, {"dimension": make_dimension(book), "users": [ALICE]})

    def code(name: str) -> Any:
        headers = {"Authorization": f"Bearer {lark.user_token(name)['user_access_token']}"}
        url = f"/open-apis{book.v2}/values"
        return book.api.http.put(url, json=book.make_body("A2:A2", [[name]]), headers=headers).json()["code"]

    for name in ("alice", "bob"):
        lark.share_document(book.token, f"user:{name}", "edit")
    assert (code("alice"), code("bob")) == (0, 90218)
    members = [{"memberType": "openId", "memberId": open_id} for open_id in (BOB, ALICE)]
    editors = {"addEditors": members[:1], "delEditors": members[1:]}
    body = {"requests": [{"protectId": lock_id, "editors": editors}]}
    assert book.api("POST", f"{book.v2}/protected_range_batch_update", body)["code"] == 0
    assert (code("alice"), code("bob")) == (90218, 0)
    assert book.read("A2:A2") == [["bob"]]


def test_locks_are_shown_and_changed(book: Book, lark: Emulator) -> None:
    first, second = lock_ids(
        book,
        {"dimension": make_dimension(book), "users": [ALICE]},
        {"dimension": make_dimension(book, 2, 4, "COLUMNS"), "lockInfo": "sums"},
    )
    path = f"{book.v2}/protected_range_batch"
    shown = book.api.data("GET", f"{path}_get", protectIds=f"{second},1,{first}")["protectedRanges"]
    assert [locked_range["protectId"] for locked_range in shown] == [second, first]
    assert shown[0]["dimension"] == make_dimension(book, 2, 4, "COLUMNS")
    assert shown[1]["editors"] == {"users": [{"memberType": "userId", "memberId": "alice"}]}
    for wrong in ("", ",".join("123456")):
        assert book.api("GET", f"{path}_get", protectIds=wrong)["code"] == 90229
    assert book.api("GET", f"{path}_get", protectIds=first, memberType="email")["code"] != 0

    bob = {"memberType": "openId", "memberId": BOB}
    editors = {"addEditors": [bob], "delEditors": [{"memberType": "userId", "memberId": "alice"}]}
    change = {
        "protectId": first,
        "dimension": make_dimension(book, 5, 9),
        "editors": editors,
        "lockInfo": "new",
    }
    bad: list[dict[str, Any]] = [
        {"protectId": "1"},
        {"protectId": second, "editors": {"addEditors": [{"memberType": "email", "memberId": "x"}]}},
        {"protectId": second, "dimension": {**make_dimension(book), "sheetId": "nosuch"}},
        {"protectId": second, "editors": {"addEditors": "bob"}},
    ]
    for other in bad:
        assert book.api("POST", f"{path}_update", {"requests": [change, other]})["code"] != 0
    assert [sheet_lock["range"] for sheet_lock in lark.sheet(book.token)["locks"]] == ["2:3", "B:D"]
    (reply,) = book.api.data("POST", f"{path}_update", {"requests": [change]})["replies"]
    assert (reply["dimension"], reply["lockInfo"]) == (make_dimension(book, 5, 9), "new")
    (changed, _) = lark.sheet(book.token)["locks"]
    assert (changed["range"], changed["users"], changed["info"]) == ("5:9", ["bob"], "new")
    assert book.api("DELETE", f"{path}_del", {"protectIds": ["1"] * 11})["code"] == 90226
    assert book.api("DELETE", f"{path}_del", {"protectIds": [1]})["code"] == 90204
    assert book.api.data("DELETE", f"{path}_del", {"protectIds": ["1"]}) == {"delProtectIds": []}


def test_a_lock_moves_with_its_rows_and_a_copied_worksheet_has_none(book: Book, lark: Emulator) -> None:
    lock_ids(book, {"dimension": make_dimension(book, 2, 3)})
    spec = {**make_dimension(book), "startIndex": 0, "endIndex": 2}
    assert book.api("POST", f"{book.v2}/insert_dimension_range", {"dimension": spec})["code"] == 0
    assert [sheet_lock["range"] for sheet_lock in lark.sheet(book.token)["locks"]] == ["4:5"]
    assert book.api.data("GET", f"{book.v2}/metainfo")["sheets"][0].get("protectedRange") is None
    assert book.change({"copySheet": {"source": {"sheetId": book.sheet_id}}})["code"] == 0
    shown = book.api.data("GET", f"{book.v2}/metainfo", extFields="protectedRange")["sheets"]
    assert [len(sheet["protectedRange"]) for sheet in shown] == [1, 0]
    assert (
        book.api("DELETE", f"{book.v2}/dimension_range", {"dimension": make_dimension(book, 4, 5)})["code"]
        == 0
    )
    assert lark.sheet(book.token)["locks"] == []
