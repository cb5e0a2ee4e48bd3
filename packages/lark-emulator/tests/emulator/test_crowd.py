"""Many clients at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator import Emulator

CROWD = 64
CLIENT = """
import _socket, sys
port, body = int(sys.argv[1]), sys.argv[2].encode()
head = b"POST /open-apis/auth/v3/tenant_access_token/internal HTTP/1.0\\r\\nHost: localhost\\r\\n"
print("ready", flush=True)
sys.stdin.readline()
wire = _socket.socket()
wire.settimeout(30)
wire.connect(("127.0.0.1", port))
wire.send(head + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
answer = b""
while piece := wire.recv(4096):
    answer += piece
print(answer.decode().rpartition("\\r\\n")[2])
"""


def test_connections_wait_while_the_server_is_busy(lark: Emulator) -> None:
    """None is refused or made to try again: the kernel accepts them all before the server looks."""
    started, go = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        go.wait()

    assert lark._loop is not None
    lark._loop.call_soon_threadsafe(hold)
    started.wait()
    try:
        crowd = [socket.create_connection(("127.0.0.1", lark.port), timeout=1) for _ in range(4 * CROWD)]
        for wire in crowd:
            wire.sendall(b"GET /nowhere HTTP/1.0\r\nHost: localhost\r\n\r\n")
    finally:
        go.set()
    for wire in crowd:
        with wire:
            assert wire.recv(12) == b"HTTP/1.1 404"
    assert lark.state(summary=True)["connections"] == 4 * CROWD


def test_processes_that_start_together_get_one_token(lark: Emulator) -> None:
    body = f'{{"app_id": "{lark.app_id}", "app_secret": "{lark.app_secret}"}}'
    command = [sys.executable, "-I", "-S", "-c", CLIENT, str(lark.port), body]
    crowd = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for _ in range(CROWD)
    ]
    for process in crowd:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in crowd:
        out, _ = process.communicate(timeout=60)
        answers.append(out)
        assert process.returncode == 0
    replies = [json.loads(answer) for answer in answers]
    assert {reply["code"] for reply in replies} == {0}
    assert len({reply["tenant_access_token"] for reply in replies}) == 1
    state = lark.state(summary=True)
    assert (state["apps"][0]["token_requests"], state["tokens_issued"]) == (CROWD, 1)
