"""Several writers of one table at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

WRITERS = 4


def write(lark: Emulator, path: str, barrier: threading.Barrier) -> Any:
    api = Api(lark)
    barrier.wait()
    try:
        return api("POST", f"{path}/records", {"fields": {"Text": "x"}})["code"]
    finally:
        api.http.close()


def write_together(lark: Emulator, path: str) -> list[int]:
    barrier = threading.Barrier(WRITERS)
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(lambda _: write(lark, path, barrier), range(WRITERS)))


def test_a_table_takes_one_write_at_a_time(sheet: Sheet, lark: Emulator) -> None:
    assert lark.settings()["write_ms"] == 30
    lark.settings(write_ms=1000)  # so that they meet on a busy machine, too
    codes = write_together(lark, sheet.path)
    assert set(codes) == {0, 1254291}
    assert sheet.search()["data"]["total"] == codes.count(0)


def test_without_a_duration_writes_never_meet(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(write_ms=0)
    assert write_together(lark, sheet.path) == [0] * WRITERS


def test_the_way_of_the_answer_does_not_hold_the_table(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(write_ms=20)
    far = Api(lark)
    far.http.timeout = 30
    lark.settings(latency_ms=5000)
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.append(far("POST", f"{sheet.path}/records", {"fields": {"Text": "far"}}))
    )
    thread.start()
    while not lark.state(summary=True)["bitables"][0]["tables"][0]["record_count"]:
        pass
    lark.settings(latency_ms=0)
    code = 1254291
    while code == 1254291:
        code = sheet.add({"Text": "near"})["code"]
    assert (code, done) == (0, [])  # written while the first answer was on its way
    thread.join()
    assert done[0]["code"] == 0
    far.http.close()
