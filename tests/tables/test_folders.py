"""Two processes that need one folder make it once, also where lists lag."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.drive import making
from lark_provider.errors import ConflictError
from tests.failures.waiting import wait_until

PROCESSES = 4
PATH = "Reports/2026-11"
CODE = f"""
import json, sys
from lark_provider import LarkServiceClient
drive = LarkServiceClient().clouddoc.drive
list(drive.list_files())
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(drive.ensure_folder({PATH!r})))
"""


def test_processes_make_one_folder(lark: Emulator, database: str) -> None:
    lark.settings(rate_limits=False, list_lag_s=600)
    started = [
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        tokens = [json.loads(worker.communicate(timeout=300)[0]) for worker in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert len(set(tokens)) == 1
    assert sorted(
        document["title"]
        for document in lark.documents()
        if document["type"] == "folder" and document["title"]
    ) == [
        "2026-11",
        "Reports",
    ]


def test_a_folder_that_another_process_is_making_is_named(
    lark: Emulator, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was called a spreadsheet, and the next step was an argument that does not exist."""
    monkeypatch.setattr(making, "WAIT_SECONDS", 0.1)
    lark.fault("POST", "*/create_folder", status=503, delay_ms=60_000)
    with subprocess.Popen([sys.executable, "-c", CODE], stdin=subprocess.PIPE) as maker:  # noqa: S603 - ourselves
        try:
            assert maker.stdin is not None
            maker.stdin.write(b"\n")
            maker.stdin.flush()
            wait_until(lambda: any(request["path"].endswith("create_folder") for request in lark.requests()))
            said = r"^The folder is being written by .* Next: call again later\.$"
            with LarkServiceClient() as client, pytest.raises(ConflictError, match=said):
                client.clouddoc.drive.ensure_folder("Reports")
        finally:
            maker.kill()


def test_a_folder_that_was_deleted_is_made_again(
    lark: Emulator, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lark.settings(rate_limits=False, list_lag_s=0)
    client = LarkServiceClient()
    above = client.clouddoc.drive.ensure_folder("Reports")

    def make_folder() -> str:
        return str(client.perform(making.make_folder(above, "2026-11")))

    first = make_folder()
    client.clouddoc.drive.delete(first, type="folder")
    # While lists may lag, what is recorded counts: a folder that is not listed may be there.
    assert make_folder() == first
    with monkeypatch.context() as later:
        later.setattr(making, "_LAG_SECONDS", 0.0)
        second = make_folder()
        assert second != first
        assert make_folder() == second
