"""The long connection, taken by the clients of the official Python and Node SDKs, unchanged.

The app is the one that is there from the start: the Node client wants an id of `cli_` and 16 hexadecimal
digits.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator.websocket.frames import Frame, decode, encode
from tests.conformance import official_clients
from tests.conformance.official_clients import SECONDS, Official
from tests.conformance.test_callbacks import CARD, DONE
from tests.emulator.test_frames import STRANGE, frames

if TYPE_CHECKING:
    from pathlib import Path

    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

QUICK: dict[str, float] = {
    "reconnect_nonce": 0,
    "reconnect_interval": 0.1,
    "callback_timeout": SECONDS,
    "missed_pings": 0,
}
ANSWER = {"toast": {"type": "success", "content": "谢谢"}, "card": {"type": "raw", "data": DONE}}
SHORT = 0.3
"""Seconds to acknowledge, for a handler that takes longer."""
CLIENTS = pytest.mark.parametrize("kind", ["python", "node"])


def wait(until: Callable[[], Any]) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + SECONDS
    while not (value := until()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return value


@pytest.fixture(scope="session")
def node_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("node-sdk")
    official_clients.install_node_sdk(folder)
    return folder


class Runs:
    """Runs official clients of an app, and ends them with the test."""

    def __init__(self, lark: Emulator, node_sdk: Callable[[], Path], stack: ExitStack) -> None:
        self.lark, self._node_sdk, self._stack = lark, node_sdk, stack
        self.app_id, self._secret = lark.app_id, lark.app_secret

    def start(self, kind: str, **config: Any) -> Official:
        options = {"app_id": self.app_id, "secret": self._secret, **config}
        client = (
            official_clients.python(self.lark, options)
            if kind == "python"
            else official_clients.node(self._node_sdk(), self.lark, options)
        )
        return self._stack.enter_context(client)

    def connect(self, kind: str, **config: Any) -> Official:
        """Start a client and wait until it is connected."""
        before = len(self.lark.connections())
        client = self.start(kind, **config)
        self.wait_for(before + 1)
        return client

    def wait_for(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many connections that have pinged: before, the Node client does not listen."""
        wait(lambda: sum(1 for connection in self.lark.connections() if connection["pings"]) == count)
        return self.lark.connections()

    def push(self, text: str = "hi") -> dict[str, Any]:
        content = json.dumps({"text": text}, ensure_ascii=False)
        message = {"message_id": "om_1", "message_type": "text", "content": content}
        return self.lark.push_event("im.message.receive_v1", {"message": message}, app_id=self.app_id)

    def send_card(self, sdk: Sdk) -> str:
        body = {"receive_id": "alice", "msg_type": "interactive", "content": json.dumps(CARD)}
        request = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id")
        client = sdk.client(self.lark, self.app_id, self._secret)
        return str(client.im.v1.message.create(request).data.message_id)


@pytest.fixture
def runs(lark: Emulator, request: pytest.FixtureRequest) -> Iterator[Runs]:
    lark.settings(**QUICK)
    with ExitStack() as stack:
        yield Runs(lark, lambda: request.getfixturevalue("node_sdk"), stack)


@CLIENTS
def test_events(lark: Emulator, runs: Runs, kind: str) -> None:
    lark.settings(ping_interval=0.05)
    client = runs.connect(kind)
    event = runs.push()
    said = client.says()
    assert (said["event_id"], json.loads(said["content"])) == (event["event_id"], {"text": "hi"})
    (attempt,) = event["attempts"]
    assert (event["state"], attempt["way"], attempt["problems"]) == ("delivered", "connection", [])
    assert wait(lambda: lark.connections()[0]["pings"] > 5)  # so it has taken the interval
    assert lark.connections()[0]["garbage"] == 0
    lark.settings(fragment_bytes=1000)
    text = "数据🎉" * 2000
    for fault in (None, "shuffle", "garbage"):
        if fault is not None:
            lark.connection_fault(fault)
        event = runs.push(text)
        assert json.loads(client.says()["content"]) == {"text": text}
        assert (event["state"], event["attempts"][0]["problems"]) == ("delivered", [])
    lark.settings(callback_timeout=SHORT)
    lark.connection_fault("incomplete")
    incomplete = runs.push(text)
    assert (incomplete["state"], client.is_silent) == ("pending", True)
    lark.settings(**QUICK)
    lark.advance(300)
    assert client.says()["event_id"] == incomplete["event_id"]
    assert lark.state()["event_states"] == {"delivered": 5}


@CLIENTS
def test_clicks(lark: Emulator, sdk: Sdk, runs: Runs, kind: str) -> None:
    client = runs.connect(kind, answer=ANSWER)
    result = lark.click(runs.send_card(sdk), "alice")
    said = client.says()
    assert (said["got"], said["event_id"], said["value"]) == ("click", result["event_id"], {"run": 7})
    assert (result["code"], result["toast"], result["card_updated"]) == (0, ANSWER["toast"], True)
    assert result["problems"] == []
    # A frame of type `card` is dropped, and never acknowledged.
    lark.change_app(runs.app_id, callback_mode="http")
    message_id = runs.send_card(sdk)
    lark.settings(card_frame_ack="taken", callback_timeout=SHORT)
    assert lark.click(message_id, "alice")["code"] == 200340
    lark.settings(**QUICK)
    runs.push()
    assert client.says()["got"] == "event"  # and no click before it


@CLIENTS
def test_a_handler_that_fails_or_is_too_slow_gets_the_event_again(
    lark: Emulator, runs: Runs, kind: str
) -> None:
    client = runs.connect(kind, first=["raise", 4 * SHORT])
    failed = runs.push()
    assert (failed["state"], failed["attempts"][0]["status"]) == ("pending", 500)
    lark.settings(callback_timeout=SHORT)
    lark.advance(3)
    assert "no acknowledgement" in lark.state()["events"][0]["attempts"][1]["error"]
    lark.settings(**QUICK)
    lark.advance(300)
    assert {client.says()["event_id"] for _ in range(3)} == {failed["event_id"]}
    assert lark.state()["event_states"] == {"delivered": 1}


@CLIENTS
def test_it_survives_drops_and_refusals(lark: Emulator, runs: Runs, kind: str) -> None:
    """It is told at first to wait a million seconds after a drop, and then, by a pong, not at all."""
    lark.settings(reconnect_nonce=1_000_000, ping_interval=0.05)
    client = runs.connect(kind)
    lark.settings(reconnect_nonce=0)
    pings = lark.connections()[0]["pings"]
    wait(lambda: lark.connections()[0]["pings"] > pings + 2)
    ids = {lark.connections()[0]["connection_id"]}
    for code in (None, 1000, 1001, 1011, 4000):
        lark.drop_connections(code=code)
        ids.add(runs.wait_for()[0]["connection_id"])
        assert runs.push()["state"] == "delivered"
        assert client.says()["got"] == "event"
    assert len(ids) == 6
    lark.settings(gap_events="on_connect")
    lark.connection_fault("drop_before")
    lost = runs.push()
    assert (lost["state"], client.says()["event_id"]) == ("pending", lost["event_id"])
    wait(lambda: lark.state()["event_states"] == {"delivered": 6})
    runs.wait_for()
    before = len(lark.requests())
    lark.fault("POST", "/callback/ws/endpoint", status=503, code=1)
    lark.fault("POST", "/callback/ws/endpoint", code=1000040343)
    headers = {"Handshake-Status": "514", "Handshake-Msg": "auth", "Handshake-Autherrcode": "1000040343"}
    lark.fault("GET", "/ws/v2", status=403, headers=headers)
    lark.fault("GET", "/ws/v2", drop="before")
    lark.drop_connections()
    runs.wait_for()
    paths = [entry["path"] for entry in lark.requests()[before:]]
    assert (paths.count("/callback/ws/endpoint"), paths.count("/ws/v2")) == (5, 3)


@CLIENTS
def test_wrong_credentials_stop_it(lark: Emulator, runs: Runs, kind: str) -> None:
    if kind == "node":
        lark.settings(
            refusal_data="empty"
        )  # without `data` the Node client fails to read the code, and retries
    assert "1000040345" in runs.start(kind, secret="wrong").says()["error"]
    assert lark.connections() == []


def test_too_many_connections_stop_it(lark: Emulator, runs: Runs) -> None:
    """The Node client does not read the reasons of a refused handshake, and tries again."""
    lark.settings(connection_limit=1)
    runs.connect("python")
    assert "exceeded" in runs.start("python").says()["error"]
    lark.settings(connection_limit_at="discovery", refusal_data="empty")
    assert "1000040350" in runs.start("node").says()["error"]


def test_both_share_the_events_of_one_app(lark: Emulator, runs: Runs) -> None:
    """64 events never go to one of two connections alone, but once in 2**63 runs."""
    clients = [runs.connect(kind) for kind in ("python", "node")]
    runs.wait_for(2)
    with ThreadPoolExecutor(8) as pool:
        events = list(pool.map(lambda _: runs.push(), range(64)))
    assert {event["state"] for event in events} == {"delivered"}
    counts = [connection["messages"] for connection in lark.connections()]
    assert (sum(counts), min(counts) > 0) == (64, True)
    got = [
        client.says()["event_id"] for client, count in zip(clients, counts, strict=True) for _ in range(count)
    ]
    assert sorted(got) == sorted(event["event_id"] for event in events)


# frames -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def frame_class() -> Any:
    return importlib.import_module("lark_oapi.ws.pb.pbbp2_pb2").Frame


def fill(frame: Frame, empty: Any) -> Any:
    """Put a frame of ours into one of the SDK's."""
    empty.SeqID, empty.LogID = frame.seq_id, frame.log_id
    empty.service, empty.method = frame.service, frame.method
    for key, value in frame.headers:
        header = empty.headers.add()
        header.key, header.value = key, value
    optional: dict[str, Any] = {
        "payload_encoding": frame.payload_encoding,
        "payload_type": frame.payload_type,
        "payload": frame.payload,
        "LogIDNew": frame.log_id_new,
    }
    for name, content in optional.items():
        if content is not None:
            setattr(empty, name, content)
    return empty


@given(frames)
def test_the_sdk_writes_and_reads_the_same_bytes(frame_class: Any, frame: Frame) -> None:
    filled = fill(frame, frame_class())
    assert filled.SerializeToString() == encode(frame)
    read = frame_class()
    read.ParseFromString(encode(frame))
    assert read == filled
    assert decode(filled.SerializeToString()) == frame


@given(frames, st.lists(st.sampled_from(STRANGE)))
def test_the_sdk_skips_the_same_fields(frame_class: Any, frame: Frame, strange: list[bytes]) -> None:
    read = frame_class()
    read.ParseFromString(b"".join(strange) + encode(frame))
    read.DiscardUnknownFields()
    assert decode(read.SerializeToString()) == frame
