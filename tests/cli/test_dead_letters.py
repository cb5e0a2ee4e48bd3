"""`callbacks dead …`: dead letters are seen, requeued and purged, and none is lost however a command ends."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from pika.spec import BasicProperties
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import dead_letters as broker_side
from lark_provider.callbacks.broker.confirms import Confirms
from lark_provider.callbacks.broker.dead_letter import DeadLetter
from lark_provider.callbacks.broker.link import Delivered, open_channel
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, Queue
from lark_provider.cli import terminal
from lark_provider.cli.__main__ import main
from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.inbox import Inbox
from lark_provider.support import threads
from tests.callbacks import mq
from tests.callbacks.consuming import Seen, consuming, fail, make_event, send
from tests.callbacks.pumping import NAMES, cards, pumping, read_stored
from tests.failures.waiting import wait_until
from tests.services.rabbitmq import OwnRabbit, RabbitServer, connect
from tests.storage import prepared

ROOT = str(Path(__file__).parents[2])
DAY = 86_400


@pytest.fixture(autouse=True)
def _configured(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)


@pytest.fixture
def database(database_url: str) -> Iterator[URL]:
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    yield url
    engines.get_engine(url).dispose()


def dead(url: str, *bodies: Any, queue: Queue = CARDS, **headers: Any) -> None:
    """Dead-letter messages as the pump and the consumers do."""

    async def work() -> None:
        async with open_channel(mq.at(url)) as channel:
            confirms = Confirms(channel, url)

            async def one(body: Any) -> None:
                raw = body if isinstance(body, bytes) else orjson.dumps(body)
                name = "poison" if isinstance(body, bytes) else body["header"]["event_id"]
                properties = BasicProperties(message_id=name, headers=headers)
                await confirms.dead_letter(Delivered(1, properties, raw, queue=queue.name), "It was refused.")

            await asyncio.gather(*map(one, bodies))

    threads.start(lambda: asyncio.run(work())).result()


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run `callbacks dead`, assert its exit code, and return what it prints."""
    assert main(["callbacks", "dead", *words]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.out, captured.err


def list_dead(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = orjson.loads(run(capsys, "list", "--json", *words)[0])["dead_letters"]
    return letters


# --- list and show ---


def test_an_empty_queue_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list") == ("There are no dead letters.\n", "")
    assert orjson.loads(run(capsys, "list", "--json")[0]) == {"total": 0, "dead_letters": []}
    assert run(capsys, "requeue", "--all") == ("Requeued: 0.\n", "")
    assert run(capsys, "purge", "--all", "--yes") == ("Purged: 0.\n", "")


def test_what_pump_and_consumer_refused_is_listed_in_order_and_stays(
    rabbitmq: str, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    mq.send(rabbitmq, "card.cli_1", make_event("not-a-click"))
    assert Pump(mq.at(rabbitmq), Inbox(database)).run_once(seconds=mq.LIMIT) == 1
    send(rabbitmq, make_event("fails", app_secret="hunter22"))
    with consuming(rabbitmq, Seen(fail), tries=1):
        wait_until(lambda: len(mq.peek(rabbitmq, DEAD)) == 2)
    for _ in range(2):  # looking changes nothing
        first, second = list_dead(capsys)
        assert first["id"] == "m0"  # as the test's publisher named the message
        assert (first["kind"], first["queue"], first["requeued"]) == ("event", CARDS.name, 0)
        assert first["reason"].startswith("The message is an event of type ")
        assert (second["kind"], second["type"]) == ("event", "drive.file.edit_v1")
        assert second["queue"] == EVENTS.name
        assert second["reason"].startswith("The handler has failed 1 times. ValueError: app_secret=***")
        assert 0 <= second["age_s"] < 60
    out, _ = run(capsys, "list", "--limit", "1")
    assert "1 of 2; --limit shows more." in out
    assert "│ ID " in out
    assert "The message is an event of type" in out


def test_what_version_0_1_dead_lettered_is_listed_with_its_age(
    rabbitmq: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mq.declare(rabbitmq)
    with connect(rabbitmq) as connection:
        for body in (orjson.dumps(mq.card("old")), b"\xff{"):
            connection.channel().basic_publish("", DEAD.name, body)
    wait_until(lambda: len(list_dead(capsys)) == 2)
    click, poison = list_dead(capsys)
    summary = click["kind"], click["queue"], click["app_id"], click["reason"]
    assert summary == ("click", None, mq.click("any").app_id, "unknown")
    assert click["age_s"] > 0  # since the click
    assert (poison["kind"], poison["age_s"]) == ("unreadable", None)
    assert click["id"].startswith("sha256:")  # neither has a message id
    assert poison["id"].startswith("sha256:")
    _, err = run(capsys, "requeue", "--all", code=1)
    assert f"1 dead letter(s) do not say where they came from: '{poison['id']}'. Next: " in err
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["old"]
    assert [letter["id"] for letter in list_dead(capsys)] == [poison["id"]]


def test_a_payload_is_masked_unless_it_is_asked_for(
    rabbitmq: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = mq.card("e1", message_id="om_7", value={"salary": 4711}, open_id="ou_secret")
    card["event"]["token"] = "c-secret-token"
    card["event"]["action"]["form_value"] = {"reason": "private words"}
    dead(rabbitmq, card, b"\xffhunter2")
    for words in (["show", "e1"], ["show", "e1", "--json"]):
        out, _ = run(capsys, *words)
        assert '"event_id": "e1"' in out
        assert '"open_message_id": "om_7"' in out
        assert '"name": "approve"' in out
        for secret in ("4711", "ou_secret", "c-secret-token", "private words"):
            assert secret not in out
    revealed = orjson.loads(run(capsys, "show", "e1", "--json", "--reveal")[0])
    assert revealed["payload"] == card
    assert revealed["id"] == "e1"
    assert "hunter2" not in run(capsys, "show", "poison")[0]
    assert "hunter2" in run(capsys, "show", "poison", "--reveal")[0]
    assert len(list_dead(capsys)) == 2


def test_unknown_ids_and_a_broker_that_is_unavailable(
    rabbitmq: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(rabbitmq, mq.card("e1"))
    for words in (["show", "nobody"], ["requeue", "nobody"], ["purge", "--yes", "nobody"]):
        _, err = run(capsys, *words, code=1)
        assert "1 id(s) are not in the dead-letter queue: 'nobody'. Next: see `lark-provider" in err
    out, err = run(capsys, "requeue", "--json", "nobody", "e1", code=1)
    assert orjson.loads(out) == {"requeued": ["e1"], "missing": ["nobody"], "impossible": []}
    assert run(capsys, "purge", "--all", code=2)[1].endswith("Next: pass --yes.\n")  # no terminal to ask
    monkeypatch.setenv("RABBITMQ_URL", "amqp://127.0.0.1:1")
    for words in (["list"], ["show", "x"], ["requeue", "--all"], ["purge", "--all", "--yes"]):
        _, err = run(capsys, *words, code=1)
        assert "RabbitMQ at 127.0.0.1:1" in err
        assert "Next: check that it runs" in err


@pytest.mark.parametrize(
    "words",
    [
        ["requeue"],
        ["purge"],
        ["requeue", "e1", "--all"],
        ["purge", "--older-than", "soon"],
        ["list", "--limit", "0"],
    ],
)
def test_wrong_use(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["callbacks", "dead", *words])
    assert ended.value.code == 2


# --- requeue and purge ---


def test_requeued_clicks_and_events_go_where_they_came_from_and_are_processed_once(
    rabbitmq: str, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    dead(rabbitmq, *cards(5), mq.card("e00001"))  # one is there twice
    dead(rabbitmq, make_event("ev1"), make_event("ev2"), queue=EVENTS)
    out, _ = run(capsys, "requeue", "e00001", "e00003", "ev1")
    assert out == "Requeued: 4.\n"
    assert [letter["id"] for letter in list_dead(capsys)] == ["e00000", "e00002", "e00004", "ev2"]
    assert orjson.loads(run(capsys, "requeue", "--all", "--json")[0])["requeued"] == [
        "e00000",
        "e00002",
        "e00004",
        "ev2",
    ]
    seen = Seen()
    with consuming(rabbitmq, seen), pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: seen.ids == ["ev1", "ev2"])
        wait_until(lambda: sorted(read_stored(database)) == NAMES[:5])
    assert mq.drain(rabbitmq, DEAD) == []


def test_one_copy_that_is_not_confirmed_in_time_keeps_the_others_from_being_doubled(
    rabbitmq: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, late = Confirms.publish, NAMES[2]

    async def publish_but_one(self: Confirms, *given: Any) -> None:
        if late in given:
            await asyncio.Event().wait()
        await publish(self, *given)

    dead(rabbitmq, *cards(5))
    monkeypatch.setattr(Confirms, "publish", publish_but_one)
    monkeypatch.setattr(broker_side, "_STEP_SECONDS", 5.0)
    _, errors = run(capsys, "requeue", "--all", code=1)
    assert "no answer within 5 s" in errors
    wait_for_all(rabbitmq, 5)
    assert [letter["id"] for letter in list_dead(capsys)] == [late]
    assert sorted(mq.list_ids(mq.peek(rabbitmq, CARDS))) == sorted({*NAMES[:5]} - {late})


def test_what_fails_again_says_how_often_and_requeue_ends(
    rabbitmq: str, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    dead(rabbitmq, b"\xff{")
    with pumping(rabbitmq, Inbox(database)):  # it dead-letters it again while `requeue` runs
        for number in (1, 2):
            assert run(capsys, "requeue", "--all") == ("Requeued: 1.\n", "")
            wait_until(lambda n=number: [letter["requeued"] for letter in list_dead(capsys)] == [n])  # type: ignore[misc]
    [poison] = list_dead(capsys)
    assert (poison["id"], poison["queue"]) == ("poison", CARDS.name)
    assert poison["reason"].startswith("The message is not JSON")


def test_purge_by_id_by_age_and_all(
    rabbitmq: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    for name, days in (("oldest", 40), ("old", 31), ("new", 29)):
        monkeypatch.setattr(time, "time", lambda d=days: real() - d * DAY)
        dead(rabbitmq, mq.card(name))
        monkeypatch.undo()
        monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    dead(rabbitmq, mq.card("today"), b"\xff")
    assert run(capsys, "purge", "--older-than", "999999d", "--yes") == ("Purged: 0.\n", "")
    assert run(capsys, "purge", "--older-than", "30d", "--yes") == ("Purged: 2.\n", "")
    assert orjson.loads(run(capsys, "purge", "today", "--yes", "--json")[0]) == {
        "purged": ["today"],
        "missing": [],
    }
    assert [letter["id"] for letter in list_dead(capsys)] == ["new", "poison"]
    assert run(capsys, "purge", "--all", "--yes") == ("Purged: 2.\n", "")
    assert list_dead(capsys) == []


def test_purge_asks(
    rabbitmq: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(rabbitmq, mq.card("e1"))
    monkeypatch.setattr(terminal, "can_ask", lambda: True)
    questions = list[str]()
    for answer, code in (("", 1), ("n", 1), ("y", 0)):

        def ask(question: str, said: str = answer) -> str:
            questions.append(question)
            return said

        monkeypatch.setattr("builtins.input", ask)
        run(capsys, "purge", "--older-than", "0", code=code)
    assert questions == ["Purge all dead letters older than 0s? They cannot be restored. [y/N] "] * 3


# --- killed ---

KILLED = """
import os, signal, sys
from lark_provider.callbacks.broker import dead_letters
from lark_provider.cli.__main__ import main

count, name = int(sys.argv[1]), sys.argv[2]
of = dead_letters.DeadLetter if name == "read" else dead_letters._Visit
real = getattr(of, name)

def deadly(*arguments):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)

setattr(of, name, staticmethod(deadly) if name == "read" else deadly)
main(["callbacks", "dead", *sys.argv[3:]])
"""


def run_killed(url: str, *words: str) -> None:
    """Run a command that kills itself at the n-th call of a method."""
    environ = {"RABBITMQ_URL": url, "PYTHONPATH": ROOT, "PATH": os.environ["PATH"]}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", KILLED, *words], env=environ, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("words", [["list"], ["purge", "--older-than", "1d", "--yes"], ["show", "nobody"]])
def test_killed_while_it_looks_all_are_back_in_their_order(
    rabbitmq: str, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    dead(rabbitmq, *cards(50))
    run_killed(rabbitmq, "30", "read", *words)
    wait_until(lambda: [letter["id"] for letter in list_dead(capsys)] == NAMES[:50])


@pytest.mark.parametrize(
    ("count", "method"), [(1, "requeue"), (170, "_copy"), (1, "remove"), (150, "remove")]
)
def test_killed_while_it_requeues_nothing_is_lost_and_nothing_is_stored_twice(
    rabbitmq: str, database: URL, capsys: pytest.CaptureFixture[str], count: int, method: str
) -> None:
    """Before a copy, between two copies, between confirmation and acknowledgement, between two of these."""
    dead(rabbitmq, *cards(250))
    run_killed(rabbitmq, str(count), method, "requeue", "--all")
    counts = wait_for_all(rabbitmq, 250)
    assert max(counts.values()) <= 2
    assert sum(counts.values()) - 250 <= 100
    run(capsys, "requeue", "--all")
    with pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: len(read_stored(database)) == 250)
        wait_until(lambda: mq.peek(rabbitmq, CARDS) == [])
    assert sorted(read_stored(database)) == NAMES[:250]
    assert list_dead(capsys) == []


def wait_for_all(url: str, count: int) -> Counter[str]:
    """Wait until two queues contain `count` distinct messages, and return how often each is there.

    RabbitMQ takes a moment to notice that a process is gone.
    """
    counts = Counter[str]()

    def are_there() -> bool:
        nonlocal counts
        counts = Counter([*mq.list_ids(mq.peek(url, DEAD)), *mq.list_ids(mq.peek(url, CARDS))])
        return len(counts) == count

    wait_until(are_there)
    return counts


def test_killed_from_outside_at_any_moment(
    rabbitmq: str, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    dead(rabbitmq, *cards(2000))
    environ = {"RABBITMQ_URL": rabbitmq, "PYTHONPATH": ROOT, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "lark_provider.cli", "callbacks", "dead", "requeue", "--all"]
    with pumping(rabbitmq, Inbox(database)):
        for share in (200, 700, 1200):
            with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as running:  # noqa: S603 - ours
                wait_until(lambda s=share: len(read_stored(database)) > s or running.poll() is not None)  # type: ignore[misc]
                running.kill()
        # What a killed one has copied and not removed is requeued once more, and stored once all the same.
        wait_until(lambda: run(capsys, "requeue", "--all") and mq.peek(rabbitmq, DEAD) == [])
        wait_until(lambda: len(read_stored(database)) == 2000)
        wait_until(lambda: mq.peek(rabbitmq, CARDS) == [])
    assert sorted(read_stored(database)) == NAMES[:2000]
    assert mq.drain(rabbitmq, DEAD) == []


# --- refused, interrupted, at the same time ---


def test_what_the_queue_refuses_stays_a_dead_letter(
    rabbitmq: str, rabbitmq_server: RabbitServer, capsys: pytest.CaptureFixture[str]
) -> None:
    dead(rabbitmq, *cards(300))
    definition = {"max-length": 120, "overflow": "reject-publish"}
    vhost = urlsplit(rabbitmq).path[1:]
    rabbitmq_server.vhosts.set_policy(vhost, "full", f"^{re.escape(CARDS.name)}$", definition)
    out, err = run(capsys, "requeue", "--all", "--json", code=1)
    assert "rejected the message. Next: see whether a policy limits its queue" in err
    done = orjson.loads(out)["requeued"]
    assert done == mq.list_ids(mq.drain(rabbitmq, CARDS))
    assert 120 <= len(done) < 300
    assert sorted([*done, *(letter["id"] for letter in list_dead(capsys, "--limit", "300"))]) == NAMES[:300]


def test_a_broker_that_is_killed_in_the_middle(
    own_rabbitmq: OwnRabbit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says what it has requeued, and ends with 1; nothing is lost."""
    url = own_rabbitmq.url
    monkeypatch.setenv("RABBITMQ_URL", url)
    dead(url, *cards(250))
    real, copies = broker_side._Visit._copy, itertools.count()

    async def copy(visit: broker_side._Visit, letter: DeadLetter) -> None:
        if next(copies) == 150:
            own_rabbitmq.stop()
        await real(visit, letter)

    with monkeypatch.context() as patch:
        patch.setattr(broker_side._Visit, "_copy", copy)
        out, err = run(capsys, "requeue", "--all", code=1)
    assert out == "Requeued: 100.\n"
    assert "RabbitMQ at 127.0.0.1" in err
    own_rabbitmq.start()
    counts = wait_for_all(url, 250)
    assert sum(counts.values()) - 250 <= 100


def test_two_commands_at_once(rabbitmq: str, capsys: pytest.CaptureFixture[str]) -> None:
    dead(rabbitmq, *cards(3))
    inside, release = threading.Event(), threading.Event()

    def wait_inside(_: DeadLetter) -> bool:
        inside.set()
        assert release.wait(mq.LIMIT)
        return True

    first = threads.start(lambda: broker_side.find(mq.at(rabbitmq), 10, wait_inside))
    try:
        assert inside.wait(mq.LIMIT)
        _, err = run(capsys, "list", code=1)
        assert "has 1 other consumer(s), and one command reads it at a time. Next: run this again" in err
    finally:
        release.set()
    assert len(first.result(mq.LIMIT)[0]) == 3
    assert [letter["id"] for letter in list_dead(capsys)] == NAMES[:3]


def test_ctrl_c_returns_them_in_their_order(rabbitmq: str, capsys: pytest.CaptureFixture[str]) -> None:
    dead(rabbitmq, *cards(50))
    environ = {"RABBITMQ_URL": rabbitmq, "PYTHONPATH": ROOT, "PATH": os.environ["PATH"]}
    # At the last one, after which the command waits for more: before, it may not wait until it has ended.
    script = KILLED.replace("SIGKILL", "SIGINT").replace("main([", "code = main([") + "sys.exit(code)\n"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script, "50", "read", "list"],
        env=environ,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (130, b""), done.stderr
    assert [letter["id"] for letter in list_dead(capsys)] == NAMES[:50]


# --- what is logged ---


def test_the_app_of_one_that_was_requeued_is_logged_when_it_dies_again(
    rabbitmq: str, caplog: pytest.LogCaptureFixture
) -> None:
    payload = make_event("e1")

    async def work() -> None:
        async with open_channel(mq.at(rabbitmq)) as channel:
            confirms, body = Confirms(channel, "here"), orjson.dumps(payload)
            requeued = Delivered(1, BasicProperties(message_id="e1"), body, EVENTS.name, EVENTS.name)
            await confirms.dead_letter(requeued, "again")
            await confirms.dead_letter(replace(requeued, body=b"no JSON"), "again")
            first = replace(requeued, body=b"no JSON", routing_key="event.cli_first")
            await confirms.dead_letter(first, "at first")

    threads.start(lambda: asyncio.run(work())).result()
    logged = [record.__dict__["app_id"] for record in caplog.records if "dead-lettered" in record.message]
    assert logged == [payload["header"]["app_id"], "", "cli_first"]


def test_the_error_that_ends_a_command_is_json_if_its_log_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://user:the-password@127.0.0.1:1/x")
    _, said = run(capsys, "list", code=1)
    [line] = map(orjson.loads, said.splitlines())
    assert (line["level"], line["message"]) == ("ERROR", "Command failed")
    assert "Cannot connect to RabbitMQ" in line["error"]
    assert "the-password" not in said
