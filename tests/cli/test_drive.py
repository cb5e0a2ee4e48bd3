"""What `lark-provider drive` is given wrongly: each error names the thing and the next step."""

from __future__ import annotations

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.cli.conftest import Run, read_failure

ALICE = "ou_emulator0001_alice"
ELSEWHERE = "https://example.com/x"


@pytest.fixture
def names(lark: Emulator) -> dict[str, str]:
    """Return the values of words in capitals: a link and a token of a spreadsheet, a folder, a long text."""
    lark.settings(rate_limits=False)
    lark.add_chat("No bot", chat_id="oc_no_bot", users=["alice"])
    spreadsheet = LarkServiceClient().clouddoc.sheets.create("Orders")
    theirs = lark.add_document("Private", type="folder", owner="user:alice")
    return {"LINK": spreadsheet.url, "TOKEN": spreadsheet.token, "THEIRS": theirs, "LONG": "x" * 257}


@pytest.mark.parametrize(
    ("argv", "said", "next_step", "asked"),
    [
        ("share|", "got ''", "pass the link from the address bar", False),
        ("share|Q7PlXTsomething", "got 'Q7PlXTsomething'", "--type with sheet, folder, docx", False),
        (f"share|{ELSEWHERE}", f"got '{ELSEWHERE}'", "copy it from the address bar", False),
        ("share|--type|docx|LINK", "must lead to a docx, got a sheet: 'LINK'", "leave --type out", False),
        ("share|--type|docx|TOKEN", "TOKEN/members", "check that token and type belong together", True),
        ("share|shtcnUnknown", "shtcnUnknown/members", "check that token and type belong", True),
        ("share|THEIRS|--type|folder", "THEIRS/members", "Next: ", True),
        ("share|LINK|", "got ''", "pass an open_id", False),
        ("share|LINK|x y", "got 'x y'", "pass it alone", False),
        ("share|LINK|od-1", "the department od-1", "share with a chat of its people", False),
        ("share|LINK|cli_a", "the app cli_a", "add that app's bot to a chat", False),
        ("share|LINK|nobody@example.com", "no user nobody@example.com", "check the id, address", True),
        ("share|LINK|+8613900009999", "no user +8613900009999", "check the id, address", True),
        ("share|LINK|oc_no_bot:edit", "edit for oc_no_bot: the app's bot is not in", "fix what Lark", True),
        ("share|LINK|ou_none", "view for ou_none: 1063001", "fix what Lark reports", True),
        ("share|LINK|--remove|nobody@example.com", "no user nobody@example.com", "check the id", True),
        ("share|LINK|--remove|od-1", "the department od-1", "share with a chat", False),
        ("ls|", "got ''", "write 'Reports/2026-11'", False),
        ("ls|a//b", "got 'a//b'", "write 'Reports/2026-11'", False),
        ("ls|a/b\x01", r"got 'b\x01'", "choose another name", False),
        ("ls|LONG", "1 to 256 printable bytes", "choose another name", False),
        (f"ls|{ELSEWHERE}", f"got '{ELSEWHERE}'", "copy it from the address bar", False),
        ("ls|LINK", "must lead to a folder, got a sheet: 'LINK'", "the link of the folder", False),
        ("ls|Nope/2026", "no folder 'Nope/2026'", "check the path", True),
        ("ls|fldcnUnknown", "(fldcnUnknown)", "check the token", True),
        ("ls|THEIRS", "(THEIRS)", "share the document", True),
    ],
)
def test_bad_input(
    run: Run, lark: Emulator, names: dict[str, str], argv: str, said: str, next_step: str, asked: bool
) -> None:
    def fill(text: str) -> str:
        for name, value in names.items():
            text = text.replace(name, value)
        return text

    before = len(lark.requests())
    text = read_failure(run("drive", *fill(argv).split("|")))
    assert fill(said) in text
    assert next_step in text[text.index(" Next: ") :]
    assert (len(lark.requests()) > before) == asked


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("share", "x", f"{ALICE}:owner"), f"must be WHO or WHO:view|edit|full_access, got '{ALICE}:owner'"),
        (("share", "x", ":view"), "must be WHO or WHO:view|edit|full_access, got ':view'"),
        (("share", "--type", "paper", "x"), "invalid choice: 'paper'"),
        (("share",), "arguments are required: url"),
        (("ls", "a", "b"), "unrecognized arguments: b"),
        (("share", "x", "--remove"), "argument --remove: expected at least one argument"),
        (("share", "x", ALICE, "--remove", ALICE), f"got '{ALICE}' for both. Next: name it once"),
        (("move", "x"), "invalid choice: 'move'"),
        ((), "arguments are required: ACTION"),
    ],
)
def test_wrong_use(run: Run, argv: tuple[str, ...], said: str) -> None:
    done = run("drive", *argv)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_one_unknown_person_keeps_the_others_out(run: Run, lark: Emulator, names: dict[str, str]) -> None:
    """People are looked up before anything is granted."""
    assert "nobody@example.com" in read_failure(
        run("drive", "share", names["LINK"], ALICE, "nobody@example.com")
    )
    assert ALICE not in run("drive", "share", names["LINK"]).out


def test_a_refused_chat_is_named_and_the_person_beside_it_is_granted(run: Run, names: dict[str, str]) -> None:
    text = read_failure(run("drive", "share", names["LINK"], ALICE, "oc_no_bot"))
    assert "view for oc_no_bot" in text
    assert "1 other(s) were granted" in text
    assert ALICE in run("drive", "share", names["LINK"]).out


def test_one_is_added_and_others_are_removed(run: Run, lark: Emulator, names: dict[str, str]) -> None:
    lark.add_chat("Team", chat_id="oc_team", users=["alice"], bots=["cli_1a2b3c4d5e6f0001"])
    share = ("drive", "share", names["LINK"])
    assert run(*share, "oc_team").code == 0
    shown = run(*share, ALICE, "--remove", "oc_team").out
    assert (ALICE in shown, "oc_team" in shown) == (True, False)
    assert run(*share, "oc_team").code == 0
    shown = run(*share, "--remove", ALICE, "oc_team").out
    assert (ALICE in shown, "oc_team" in shown) == (False, False)
