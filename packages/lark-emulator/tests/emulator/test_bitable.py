from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api, Sheet

if TYPE_CHECKING:
    from lark_emulator import Emulator

TOKEN4 = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def test_a_new_base_has_sample_fields_and_rows_without_values(api: Api) -> None:
    sheet = Sheet(api)
    (table,) = api.data("GET", f"{sheet.base}/tables")["items"]
    assert table["table_id"] == sheet.app["default_table_id"]
    fields = api.data("GET", f"{sheet.path}/fields")["items"]
    assert [(field["field_name"], field["type"], field["is_primary"]) for field in fields] == [
        ("Text", 1, True),
        ("Single option", 3, False),
        ("Date", 5, False),
        ("Attachment", 17, False),
    ]
    listed = api.data("GET", f"{sheet.path}/records")
    assert (listed["total"], [row["fields"] for row in listed["items"]]) == (10, [{}] * 10)
    copied = api.data("POST", f"{sheet.base}/copy", {"name": "Copy", "without_content": True})["app"]
    path = f"/bitable/v1/apps/{copied['app_token']}/tables/{table['table_id']}"
    assert api.data("GET", f"{path}/fields")["total"] == 4
    assert api.data("GET", f"{path}/records")["total"] == 0


def test_the_samples_are_no_write_that_reads_might_miss(api: Api, lark: Emulator) -> None:
    lark.settings(search_total="stale")
    sheet = Sheet(api)
    assert sheet.search()["data"]["total"] == 10
    sheet.add({"Text": "a"})
    answer = sheet.search()["data"]
    assert (answer["total"], len(answer["items"])) == (10, 11)
    lark.settings(search_total="exact", stale_reads_s=60)
    assert Sheet(api).search()["data"]["total"] == 10


def test_a_bare_new_base_and_a_table_without_fields_have_one_text_field(
    api: Api, sheet: Sheet, lark: Emulator
) -> None:
    lark.settings(new_base="samples")
    table_id = api.data("POST", f"{sheet.base}/tables", {"table": {"name": "T"}})["table_id"]
    for path in (sheet.path, f"{sheet.base}/tables/{table_id}"):
        (field,) = api.data("GET", f"{path}/fields")["items"]
        assert (field["type"], field["is_primary"]) == (1, True)
        assert api.data("GET", f"{path}/records")["total"] == 0


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (1, 5, 1254060),
        (1, [{"text": "x", "type": "text"}], 1254060),
        (1, "x" * 100_001, 1254130),
        (2, "5", 1254061),
        (2, True, 1254061),
        (3, ["a"], 1254062),
        (4, "a", 1254063),
        (4, [1], 1254063),
        (4, [str(n) for n in range(1001)], 1254063),
        (5, "2026-01-01", 1254064),
        (5, 1.5, 1254064),
        (7, "true", 1254065),
        (11, "ou_emulator0001_alice", 1254066),
        (11, [{"id": "ou_nobody"}], 1254066),
        (13, "+86 138", 1254072),
        (13, "1" * 65, 1254072),
        (15, "https://x", 1254068),
        (15, {"text": "x"}, 1254068),
        (17, "file", 1254069),
        (17, [{"file_token": "never-uploaded"}], 1254303),
        (22, "north", 1254015),
        (22, "200,0", 1254015),
        (23, [{"id": "oc_nowhere"}], 1254015),
        (1001, 5, 1254015),
        (1005, "5", 1254015),
    ],
)
def test_values_that_do_not_fit_their_field(sheet: Sheet, kind: int, value: Any, code: int) -> None:
    assert sheet.add_field("F", kind)["code"] == 0
    answer = sheet.add({"F": value})
    assert answer["code"] == code
    assert answer["http"] == (400 if code == 1254015 else 200)
    assert sheet.search()["data"]["total"] == 0


def test_write_shape_is_echoed_and_read_shape_is_searched(sheet: Sheet) -> None:
    for name, kind, more in (
        ("Person", 11, {}),
        ("Place", 22, {}),
        ("Mail", 1, {"ui_type": "Email"}),
        ("Group", 23, {}),
        ("Number", 1005, {}),
        ("Made", 1001, {}),
        ("By", 1003, {}),
    ):
        assert sheet.add_field(name, kind, **more)["code"] == 0
    row = {
        "Text": "a",
        "Person": [{"id": "ou_emulator0001_alice"}],
        "Place": "116.3,40.0",
        "Mail": "a@b.c",
        "Group": [{"id": "oc_emulator_data_team"}],
    }
    assert sheet.add(row)["data"]["record"]["fields"] == row
    (item,) = sheet.search()["data"]["items"]
    fields = item["fields"]
    assert fields["Text"] == [{"text": "a", "type": "text"}]
    assert (fields["Person"][0]["name"], fields["Person"][0]["email"]) == ("李雷", "alice@example.com")
    assert fields["Place"]["location"] == "116.3,40.0"
    assert fields["Mail"] == [{"link": "mailto:a@b.c", "text": "a@b.c", "type": "url"}]
    assert fields["Group"][0]["name"] == "Data team"
    assert (fields["Number"], fields["By"][0]["id"]) == ("1", "ou_emulator0001_bot")
    assert isinstance(fields["Made"], int)


def test_empty_cells_are_left_out_and_null_empties(sheet: Sheet) -> None:
    sheet.add_field("N", 2)
    record = sheet.add({"Text": "", "N": 0})["data"]["record"]["record_id"]
    assert sheet.search()["data"]["items"][0]["fields"] == {"N": 0}
    sheet.api.data("PUT", f"{sheet.path}/records/{record}", {"fields": {"N": None, "Text": "b"}})
    assert sheet.search()["data"]["items"][0]["fields"] == {"Text": [{"text": "b", "type": "text"}]}


def test_an_unknown_option_is_created_silently(sheet: Sheet) -> None:
    sheet.add_field("Pick", 3, property={"options": [{"name": "a"}]})
    sheet.add({"Pick": "b"})
    fields = sheet.api.data("GET", f"{sheet.path}/fields")["items"]
    assert [o["name"] for o in fields[1]["property"]["options"]] == ["a", "b"]


def test_batches_are_all_or_nothing(sheet: Sheet) -> None:
    sheet.add_field("Pick", 3)
    answer = sheet.add_many([{"fields": {"Pick": "new"}}, {"fields": {"Text": 1}}])
    assert (answer["code"], sheet.search()["data"]["total"]) == (1254060, 0)
    fields = sheet.api.data("GET", f"{sheet.path}/fields")["items"]
    assert fields[1]["property"]["options"] == []
    ids = [r["record_id"] for r in sheet.add_many([{"fields": {"Text": "a"}}] * 2)["data"]["records"]]
    path = f"{sheet.path}/records"
    changes = [{"record_id": ids[0], "fields": {"Text": "b"}}, {"record_id": "recnone", "fields": {}}]
    assert sheet.api("POST", f"{path}/batch_update", {"records": changes})["code"] == 1254043
    assert sheet.api("POST", f"{path}/batch_delete", {"records": [ids[0], "recnone"]})["code"] == 1254043
    texts = [i["fields"]["Text"][0]["text"] for i in sheet.search()["data"]["items"]]
    assert texts == ["a", "a"]


def test_batches_have_limits(sheet: Sheet, lark: Emulator) -> None:
    row = {"fields": {"Text": "a"}}
    ids = [r["record_id"] for r in sheet.add_many([row] * 1000)["data"]["records"]]
    assert sheet.add_many([row] * 1001)["code"] == 1254104
    path = f"{sheet.path}/records"
    assert sheet.api("POST", f"{path}/batch_delete", {"records": ids[:501]})["code"] == 1254104
    assert sheet.api("POST", f"{path}/batch_get", {"record_ids": ids[:101]})["code"] == 99992402
    assert sheet.add_many([])["code"] == 1254007
    lark.settings(records_per_table=1000)
    assert sheet.add({"Text": "a"})["code"] == 1254103


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", 1254000),
        (b"[]", 1254000),
        (b"{}", 1254001),
        (b'{"records":{}}', 1254001),
        (b'{"records":[1]}', 1254001),
    ],
)
def test_bodies_of_the_wrong_shape(sheet: Sheet, content: bytes, code: int) -> None:
    answer = sheet.api.http.post(f"/open-apis{sheet.path}/records/batch_create", content=content)
    assert answer.json()["code"] == code


def test_writes_that_change_nothing_can_be_refused(sheet: Sheet, lark: Emulator) -> None:
    field = sheet.add_field("F", 2)["data"]["field"]
    ids = [r["record_id"] for r in sheet.add_many([{"fields": {"F": 1}}] * 2)["data"]["records"]]
    same = [{"record_id": record_id, "fields": {"F": 1, "Text": None}} for record_id in ids]
    field_path = f"{sheet.path}/fields/{field['field_id']}"
    again = {"field_name": "F", "type": 2}

    def answers() -> list[int]:
        update = sheet.api("POST", f"{sheet.path}/records/batch_update", {"records": same})
        single = sheet.api("PUT", f"{sheet.path}/records/{ids[0]}", {"fields": {"F": 1}})
        return [update["code"], single["code"], sheet.api("PUT", field_path, again)["code"]]

    assert answers() == [0, 0, 0]
    lark.settings(unchanged_write="1254606")
    assert answers() == [1254606] * 3
    same[1]["fields"]["F"] = None
    assert sheet.api("POST", f"{sheet.path}/records/batch_update", {"records": same})["code"] == 0
    assert sheet.api("PUT", field_path, {**again, "field_name": "G"})["code"] == 0


def test_client_tokens(sheet: Sheet, lark: Emulator) -> None:
    answer = sheet.add({"Text": "a"}, client_token="no-uuid")
    assert (answer["code"], answer["http"]) == (1254037, 400)
    assert sheet.add({"Text": "a"}, client_token=str(uuid.UUID(int=1, version=1)))["code"] == 1254037
    first = sheet.add({"Text": "a"}, client_token=TOKEN4)["data"]
    assert sheet.add({"Text": "a"}, client_token=TOKEN4.upper())["data"] == first
    assert sheet.add({"Text": "b"}, client_token=TOKEN4)["code"] == 1255006
    both = {"fields": {"Text": "a"}, "records": [{"fields": {"Text": "a"}}]}
    path, other = f"{sheet.path}/records", TOKEN4.replace("3f", "4f")
    created = sheet.api.data("POST", path, both, client_token=other)["record"]["record_id"]
    assert sheet.api("POST", f"{path}/batch_create", both, client_token=other)["code"] == 1255006
    assert sheet.api("DELETE", f"{path}/{created}")["code"] == 0
    for policy, status in (("1254608", 403), ("1255006", 400)):
        lark.settings(client_token_replay=policy)
        answer = sheet.add({"Text": "a"}, client_token=TOKEN4)
        assert (answer["code"], answer["http"]) == (int(policy), status)
    assert sheet.search()["data"]["total"] == 1
    lark.advance(3600)
    assert sheet.add({"Text": "a"}, client_token=TOKEN4)["code"] == 0
    assert sheet.search()["data"]["total"] == 2


def test_a_refused_write_does_not_use_up_its_client_token(sheet: Sheet) -> None:
    assert sheet.add({"Nope": 1}, client_token=TOKEN4)["code"] == 1254045
    assert sheet.add({"Text": "a"}, client_token=TOKEN4)["code"] == 0


def test_concurrent_writes_to_one_table_conflict(sheet: Sheet, lark: Emulator) -> None:
    other = sheet.api.data("POST", f"{sheet.base}/tables", {"table": {"name": "Other"}})["table_id"]
    lark.settings(write_ms=200)
    slow = Api(lark)
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.append(slow("POST", f"{sheet.path}/records", {"fields": {"Text": "slow"}}))
    )
    thread.start()
    while not lark.state()["bitables"][0]["tables"][0]["record_count"]:
        pass
    conflict = sheet.add({"Text": "fast"})
    assert (conflict["code"], conflict["http"]) == (1254291, 200)
    assert sheet.search()["data"]["total"] == 1
    assert sheet.api("POST", f"{sheet.base}/tables/{other}/records", {"fields": {"Text": "x"}})["code"] == 0
    thread.join()
    assert done[0]["code"] == 0
    assert sheet.add({"Text": "after"})["code"] == 0
    slow.http.close()


def test_the_status_of_errors_follows_each_page_or_is_always_200(sheet: Sheet, lark: Emulator) -> None:
    none = "/bitable/v1/apps/none"

    def statuses() -> list[int]:
        return [
            sheet.api("GET", none)["http"],
            sheet.api("PATCH", f"{none}/tables/x", {"name": "n"})["http"],
            sheet.api("POST", f"{none}/tables/x/records/batch_get", {"record_ids": ["r"]})["http"],
        ]

    assert statuses() == [200, 404, 404]
    lark.settings(bitable_error_status="200")
    assert statuses() == [200, 200, 200]


def test_another_apps_base_is_closed_until_it_is_shared(sheet: Sheet, lark: Emulator) -> None:
    app = lark.add_app()
    other = Api(lark, app["app_id"], app["app_secret"])
    for method, path in (("GET", sheet.base), ("POST", f"{sheet.path}/records/search")):
        answer = other(method, path, None if method == "GET" else {})
        assert (answer["code"], answer["msg"], answer["data"]) == (91403, "Forbidden", {})
        assert answer["http"] == 403
    lark.settings(never_shared_status="200")
    assert other("GET", sheet.base)["http"] == 200
    lark.share_base(sheet.app["app_token"], app["app_id"])
    assert other("GET", sheet.base)["code"] == 0
    other.http.close()


@pytest.mark.parametrize(
    ("path", "code"),
    [("{base}x/tables", 1254040), ("{base}/tables/tblx/fields", 1254041), ("{path}/records/recx", 1254043)],
)
def test_what_is_not_there(sheet: Sheet, path: str, code: int) -> None:
    assert sheet.api("GET", path.format(base=sheet.base, path=sheet.path))["code"] == code


def test_tables(sheet: Sheet) -> None:
    tables = f"{sheet.base}/tables"

    def create(**table: Any) -> Any:
        return sheet.api("POST", tables, {"table": table})

    assert sheet.api("DELETE", sheet.path)["code"] == 1254034
    created = create(name="A", fields=[{"field_name": "x", "type": 2}])["data"]
    assert len(created["field_id_list"]) == 1
    assert create(name="A")["code"] == 1254013
    assert create(name="a/b")["code"] == 99992402
    assert create(name="B", fields=[{"field_name": "x", "type": 1}] * 2)["code"] == 1254014
    assert create(name="B", fields=[{"field_name": "x", "type": 7}])["code"] == 1254012
    assert create(name="B", fields=[{"field_name": "x", "type": 24}])["code"] == 1254012
    batch = {"tables": [{"name": "C"}, {"name": "A"}]}
    assert sheet.api("POST", f"{tables}/batch_create", batch)["code"] == 1254013
    assert sheet.api("PATCH", sheet.path, {"name": "A"})["code"] == 1254013
    assert [t["name"] for t in sheet.api.data("GET", tables)["items"]] == ["Table 1", "A"]
    both = [t["table_id"] for t in sheet.api.data("GET", tables)["items"]]
    for ids, code in ((both, 1254034), ([both[0], "tblx"], 1254041), ([], 1254001), (["t"] * 51, 1254001)):
        assert sheet.api("POST", f"{tables}/batch_delete", {"table_ids": ids})["code"] == code
    gone = {"table_ids": [create(name="D")["data"]["table_id"], create(name="E")["data"]["table_id"]]}
    assert sheet.api("POST", f"{tables}/batch_delete", gone)["code"] == 0
    assert [t["name"] for t in sheet.api.data("GET", tables)["items"]] == ["Table 1", "A"]
    assert sheet.api("DELETE", f"{tables}/{created['table_id']}")["code"] == 0


def test_fields(sheet: Sheet) -> None:
    field = sheet.add_field("F", 4, property={"options": [{"name": "a"}, {"name": "b"}]})["data"]["field"]
    assert sheet.add_field("F", 1)["code"] == sheet.add_field(" F ", 1)["code"] == 1254014
    assert sheet.add_field("", 1)["code"] == 1254028
    assert sheet.add_field("G", 3, property={"options": [{"name": "a"}, {"name": "a"}]})["code"] == 1254082
    assert sheet.add_field("G", 3, property={"options": [{}]})["code"] == 1254026
    assert sheet.add_field("G", 18, property={"table_id": "tblx"})["code"] == 1254089
    assert sheet.add_field("G", 1, ui_type="Rating")["code"] == 1254015
    assert sheet.add_field(" H ", 1)["data"]["field"]["field_name"] == "H"
    (primary, *_) = sheet.api.data("GET", f"{sheet.path}/fields")["items"]
    path = f"{sheet.path}/fields"
    assert sheet.api("DELETE", f"{path}/{primary['field_id']}")["code"] == 1254046
    assert sheet.api("DELETE", f"{path}/fldx")["code"] == 1254044
    sheet.add({"F": ["a", "b"]})
    change = {
        "field_name": "F2",
        "type": 4,
        "property": {"options": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
    }
    changed = sheet.api.data("PUT", f"{path}/{field['field_id']}", change)["field"]
    assert changed["property"]["options"][0]["id"] == field["property"]["options"][0]["id"]
    assert sheet.search()["data"]["items"][0]["fields"] == {"F2": ["a", "b"]}
    sheet.api("DELETE", f"{path}/{field['field_id']}")
    assert sheet.search()["data"]["items"][0]["fields"] == {}


def test_links_point_at_records_that_exist(sheet: Sheet) -> None:
    target = sheet.add({"Text": "t"})["data"]["record"]["record_id"]
    sheet.add_field("Link", 18, property={"table_id": sheet.app["default_table_id"]})
    answer = sheet.add({"Link": [target]})["data"]["record"]
    assert answer["fields"] == {"Link": [target]}
    assert sheet.search()["data"]["items"][1]["fields"]["Link"] == {"link_record_ids": [target]}
    assert sheet.add({"Link": ["recx"]})["code"] == 1254067
