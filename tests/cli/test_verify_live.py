"""`lark-provider verify-live`, against a local Lark that behaves in each way that a tenant may."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator
from lark_emulator.control.seed_file import Seed
from lark_emulator.settings import CARD_RULES, CHOICES, Settings

from lark_provider.cli import terminal
from lark_provider.verify import catalogue
from lark_provider.verify.corpus import Corpus
from lark_provider.verify.probe import Probe, ProbeSteps, ProbeTarget, Reply, Request
from lark_provider.verify.runner import Runner
from tests.cli.conftest import COMMAND, Done, Run, read_failure
from tests.failures.waiting import wait_until

ALICE = "ou_emulator0001_alice"
LIMITS = {"max_card_tables": (5, 7), "max_card_bytes": (30 * 1024, 64 * 1024), "max_style_rows": (2001, 5000)}


def _answer(probe: Probe, position: int) -> Any:
    answers = probe.answers or LIMITS[str(probe.setting)]
    return answers[min(position, len(answers) - 1)]


@pytest.fixture(autouse=True)
def _quick(lark: Emulator) -> None:
    lark.settings(
        rate_limits=False, write_ms=0, sheet_write_ms=0, receiver_qps=0, update_qps=0, docx_edit_qps=0
    )


def verify(run: Run, *argv: str) -> dict[str, Any]:
    done = run("verify-live", "--yes", "--json", *argv)
    assert done.code == 0, done
    report: dict[str, Any] = json.loads(done.out)
    return report


@pytest.mark.parametrize("position", range(4))
def test_the_probes_find_out_how_lark_behaves(run: Run, lark: Emulator, position: int) -> None:
    """Each switch of the emulator in each of its positions."""
    wanted = {probe.name: _answer(probe, position) for probe in catalogue.PROBES if probe.setting is not None}
    rules = [
        probe.rule for probe in catalogue.PROBES if probe.rule is not None and wanted.get(probe.name, False)
    ]
    others = {
        str(probe.setting): wanted[probe.name]
        for probe in catalogue.PROBES
        if probe.rule is None and probe.setting is not None
    }
    lark.settings(**others, card_rules=rules)
    report = verify(run, "--person", ALICE)
    findings = {finding["name"]: finding for finding in report["findings"] if finding["setting"] is not None}
    assert {name: finding["value"] for name, finding in findings.items()} == wanted, findings
    for probe in catalogue.PROBES:
        if probe.name in findings:
            is_assumed = wanted[probe.name] == probe.assumed
            assert findings[probe.name]["status"] == ("confirmed" if is_assumed else "contradicted")
    assert sorted(report["settings"].pop("card_rules")) == sorted([*rules, "lock"])
    assert report["settings"] == others
    assert report["left_behind"] == []


def test_the_probes_assume_what_the_emulator_does() -> None:
    defaults = Settings().to_dict()
    for probe in catalogue.PROBES:
        if probe.rule is not None:
            assert (probe.rule in defaults["card_rules"]) == probe.assumed, probe.name
        elif probe.setting is not None:
            assert defaults[probe.setting] == probe.assumed, probe.name
            if probe.setting in CHOICES:
                assert set(CHOICES[probe.setting]) == set(probe.answers), probe.name


def test_each_setting_is_probed_or_the_reason_is_said() -> None:
    covered = {probe.setting for probe in catalogue.PROBES} | {
        name for lot in catalogue.UNPROBED for name in lot.settings
    }
    assert CHOICES.keys() <= covered
    rules = {probe.rule for probe in catalogue.PROBES} | {"lock"}
    assert rules - {None} == CARD_RULES.keys()
    assert {name.partition(".")[0] for name in covered if name} <= set(Settings().to_dict())


def test_a_whole_run(run: Run, lark: Emulator, tmp_path: Path) -> None:
    corpus, settings = tmp_path / "corpus.json", tmp_path / "settings.json"
    done = run(
        "verify-live", "--yes", "--person", ALICE, "--corpus", str(corpus), "--settings", str(settings)
    )
    assert done.code == 0, done
    assert " 0 contradicted, 0 could not be probed; " in done.out.replace("confirmed,", "")
    assert len(done.out.splitlines()) == len(catalogue.PROBES) + 1
    documents = [
        document for document in lark.documents() if document["title"] == "lark-provider verify-live"
    ]
    assert sorted(document["type"] for document in documents if document["deleted"]) == [
        "bitable",
        "docx",
        "sheet",
        "sheet",
    ]
    assert all(document["deleted"] for document in documents)
    mine = [chat for chat in lark.state()["chats"] if chat["name"] == "lark-provider verify-live"]
    assert [chat["dissolved"] for chat in mine] == [True]
    # The corpus holds nothing by which anybody is known, and all that was asked.
    text = corpus.read_text("utf-8")
    for name in (lark.app_id, lark.app_secret, ALICE, "t-", "oc_", "om_", "log_id"):
        assert name not in text, name
    assert not re.search(r"ou_\w|bascn|shtcn", text)
    exchanges = json.loads(text)["exchanges"]
    assert len(exchanges) == int(done.out.split("; ")[-1].split()[0])
    # The settings are a seed that says what the emulator does already.
    defaults = Settings().to_dict()
    for name, value in json.loads(settings.read_text())["settings"].items():
        assert sorted(value) == sorted(defaults[name]) if name == "card_rules" else value == defaults[name]
    assert Seed.read(settings).content["settings"]
    lark.settings(**Seed.read(settings).content["settings"])


def test_a_named_chat_is_written_to_and_left_as_it_was(run: Run, lark: Emulator) -> None:
    chat = lark.add_chat("Ops", bots=[lark.app_id])["chat_id"]
    verify(run, "--only", "uuid_replay", "--chat", chat)
    deleted = lark.requests("DELETE", "/open-apis/im/v1/messages/:message_id")
    assert [request["code"] for request in deleted] == [0]
    assert not lark.requests("POST", "/open-apis/im/v1/chats")


def test_no_more_requests_than_allowed(run: Run, lark: Emulator) -> None:
    report = verify(run, "--max-calls", "8", "--only", "client_token_replay", "--only", "grid_growth")
    assert report["requests"] <= 8
    assert report["findings"][1]["status"] == "could not be probed"
    assert "8 requests of --max-calls" in report["findings"][1]["reason"]
    assert report["left_behind"] == []
    assert lark.requests("DELETE", "/open-apis/drive/v1/files/:file_token")


def test_what_cannot_be_deleted_is_named(run: Run, lark: Emulator) -> None:
    lark.fault("DELETE", "*", code=1061004, status=403, times=9)
    done = run("verify-live", "--yes", "--only", "unchanged_write")
    assert done.code == 1
    assert "could not be deleted: DELETE /drive/v1/files/" in done.err


@pytest.mark.parametrize(
    ("probe", "path", "made"),
    [
        (
            "unchanged_write",
            "/open-apis/bitable/v1/apps",
            "a base 'lark-provider verify-live' in the app's own",
        ),
        (
            "grid_growth",
            "/open-apis/sheets/v3/spreadsheets",
            "listed by `lark-provider drive ls`. Next: look",
        ),
        ("uuid_replay", "/open-apis/im/v1/chats", "a group 'lark-provider verify-live' of the app's bot"),
    ],
)
@pytest.mark.parametrize(
    "fault", [{"drop": "after"}, {"status": 502, "body": "Bad Gateway", "perform": "first"}]
)
def test_what_may_have_been_made_although_the_answer_was_lost_is_named(
    run: Run, lark: Emulator, probe: str, path: str, made: str, fault: dict[str, Any]
) -> None:
    lark.fault("POST", path, **fault, times=1)
    done = run("verify-live", "--yes", "--only", probe)
    assert done.code == 1
    assert made in done.err
    assert done.err.count("an answer was lost, and this may be left behind: ") == 1


def test_a_tenant_without_a_scope_could_not_be_probed(run: Run, lark: Emulator) -> None:
    lark.change_app(scopes=[])
    (finding,) = verify(run, "--only", "unchanged_write")["findings"]
    assert finding["status"] == "could not be probed"
    assert "99991672" in finding["reason"]


def test_a_busy_tenant_is_asked_again(run: Run, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    lark.fault("PUT", "*/records/*", code=1254291, times=2)
    (finding,) = verify(run, "--only", "unchanged_write")["findings"]
    assert finding["value"] == "ok"


def _make_probe(then: Callable[[], None]) -> Callable[[ProbeTarget], ProbeSteps]:
    def run(_: ProbeTarget) -> ProbeSteps:
        yield Request(
            "POST", "/things", {}, undo=lambda reply: Request("DELETE", f"/things/{reply.data['n']}")
        )
        then()
        return True

    return run


def _interrupt() -> None:
    raise KeyboardInterrupt


def _terminate() -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _crash() -> None:
    raise RuntimeError("a defect")


@pytest.mark.parametrize(("then", "error"), [(_interrupt, None), (_terminate, None), (_crash, RuntimeError)])
def test_what_was_made_is_deleted_after_ctrl_c_and_after_an_error(
    then: Callable[[], None], error: type[Exception] | None
) -> None:
    sent: list[str] = []
    interrupt_once = [KeyboardInterrupt()]

    def send(request: Request) -> Reply:
        if request.method == "DELETE" and interrupt_once:
            raise interrupt_once.pop()  # Ctrl-C once more, while it is deleted.
        sent.append(f"{request.method} {request.path}")
        return Reply(200, 0, "", {"n": 7})

    target = ProbeTarget("cli_a", "secret", "nonce")
    runner = Runner(send, lambda _: None, target, 99, Corpus(()))
    probe = Probe(
        name="p", fact="A fact.", setting=None, assumed=True, answers=(True,), calls=1, run=_make_probe(then)
    )
    if error is None:
        assert runner.run([probe], lambda _: None) == []
    else:
        with pytest.raises(error):
            runner.run([probe], lambda _: None)
    assert sent == ["POST /things", "DELETE /things/7"]
    assert (runner.interrupted, runner.left_behind, runner.unanswered) == (True, [], [])


def test_sigterm_leaves_nothing_behind(lark: Emulator) -> None:
    """As from a supervisor whose time limit is over, in the middle of the second probe."""
    lark.fault("PUT", "*/records/*", delay_ms=20_000)
    words = ("verify-live", "--yes", "--only", "uuid_replay", "--only", "unchanged_write")
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ok   uuid_replay ")
        wait_until(lambda: any(request["method"] == "PUT" for request in lark.requests()))
        process.terminate()
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + signal.SIGTERM
    assert out.startswith("Interrupted. 1 confirmed, ")
    mine = [chat for chat in lark.state()["chats"] if chat["name"] == "lark-provider verify-live"]
    assert [chat["dissolved"] for chat in mine] == [True]
    documents = [page for page in lark.documents() if page["title"] == "lark-provider verify-live"]
    assert [document["deleted"] for document in documents] == [True]


@pytest.mark.parametrize(("is_terminal", "code"), [(True, 1), (False, 2)])
def test_nothing_is_sent_before_it_is_confirmed(
    run: Run, lark: Emulator, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, code: int
) -> None:
    """A token was fetched before."""
    monkeypatch.setattr(terminal, "can_ask", lambda: is_terminal)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    done = run("verify-live")
    assert done.code == code, done
    assert ("Nothing was sent." in done.out) == is_terminal
    assert lark.state(summary=True)["by_endpoint"] == {}


def test_an_unknown_answer_contradicts_without_a_setting() -> None:
    replies = iter(
        [Reply(200, 0, "", {"chat_id": "oc_1"}), *[Reply(200, 0, "", {"message_id": n}) for n in "ab"]]
    )
    probe = catalogue.select_probes(("uuid_replay",))[0]
    runner = Runner(
        lambda _: next(replies, Reply(200, 0)), lambda _: None, ProbeTarget("c", "s", "n"), 9, Corpus(())
    )
    (finding,) = runner.run([probe], lambda _: None)
    assert (finding.status, finding.value) == ("contradicted", None)
    assert finding.reason == "a second message was sent: the uuid was ignored"


def test_a_corpus_keeps_only_what_the_probes_wrote() -> None:
    corpus = Corpus(("cli_a1b2c3",))
    request = Request("POST", "/im/v1/messages/om_X/reply", {"text": "ours", "who": "cli_a1b2c3"})
    data = {"text": "ours", "owner": "Ann Lee", "id": "om_77", "time": 1770000000000, "ok": True, "n": 3}
    corpus.add("p", request, Reply(200, 0, "no Ann Lee (a@b.example) at 20261126ABCDEF", data))
    corpus.add("p", Request("GET", "/x"), Reply(400, 5, "Ann Lee is away, cli_a1b2c3"))
    first, second = corpus.entries
    assert first["path"] == "/im/v1/messages/:id/reply"
    assert first["data"] == {
        "text": "ours", "owner": "<7 characters>", "id": "<5 characters>", "time": 0, "ok": True, "n": 3,
    }  # fmt: skip
    assert first["request"] == {"text": "ours", "who": "<10 characters>"}
    assert second["msg"] == "… is away, …"
    assert "ABCDEF" not in first["msg"]
    assert "a@b" not in first["msg"]


def test_the_list_sends_nothing(run: Run, lark: Emulator) -> None:
    done = run("verify-live", "--list")
    assert done.code == 0
    assert "grid_growth" in done.out
    assert "Not probed, as a person has to click a card: card_rules.lock" in done.out
    listed = json.loads(run("verify-live", "--list", "--json", "--only", "card_rules").out)
    assert {probe["setting"] for probe in listed} == {"card_rules"}
    assert lark.state(summary=True)["by_endpoint"] == {}


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("--only", "nonsense"), "--only must name a probe, got 'nonsense'. Next: "),
        (("--max-calls", "0"), "--max-calls must be 1 or more, got 0. Next: "),
        (("--settings", "a.toml"), "--settings must end with .json, got a.toml. Next: "),
        (("--settings", "no/a.json"), "--settings must be a file in a folder that exists, got no/a.json."),
        (("--corpus", "."), "--corpus must be a file in a folder that exists, got .."),
    ],
)
def test_wrong_use(run: Run, lark: Emulator, argv: tuple[str, ...], text: str) -> None:
    assert text in read_failure(run("verify-live", "--yes", *argv), 2)
    assert lark.state(summary=True)["by_endpoint"] == {}


def test_without_a_terminal_it_asks_for_yes(run: Run, lark: Emulator) -> None:
    done: Done = run("verify-live", "--only", "uuid_replay")
    assert "Next: pass --yes." in read_failure(done, 2)
    assert not lark.requests("POST", "/open-apis/im/v1/messages")
