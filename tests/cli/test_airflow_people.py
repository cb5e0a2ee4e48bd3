"""`lark-provider airflow people list|revoke`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from lark_provider.cli import airflow_people
from lark_provider.cli.arguments import WrongUseError
from lark_provider.storage import urls
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from lark_provider.storage.people import Account, People, Person
from tests.storage import prepared


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    """Link two people in the command's database; the command has no encryption key and needs none."""
    text = f"sqlite:///{tmp_path}/lark.db"
    monkeypatch.setenv("LARK_DATABASE_URL", text)
    url = urls.parse(text, "ours")
    prepared.upgrade(url)
    store = People(url, EncryptionKeys(generate_key()))
    store.link_person(Person("cli_a", "t", "ou_alice"), Account("m.Fab", "2", "alice", {"sub": "2"}))
    store.link_person(Person("cli_a", "t", "ou_bob"), Account("m.Fab", "3", "bob", {"sub": "3"}))
    store.link_person(Person("cli_b", "t", "ou_bob_b"), Account("m.Fab", "3", "bob", {"sub": "3"}))
    return store


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    airflow_people.add_to(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["people", *arguments])
    code: int = parsed.run(parsed)
    return code


def test_links_are_listed(people: People, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.replace("│", " ").split()[:3] for line in lines if "ou_" in line] == [
        ["alice", "2", "ou_alice"],
        ["bob", "3", "ou_bob"],
        ["bob", "3", "ou_bob_b"],
    ]
    people.revoke("ou_alice")
    run("list", "--json")
    assert [link["open_id"] for link in json.loads(capsys.readouterr().out)] == ["ou_bob", "ou_bob_b"]
    run("list", "--revoked", "--json")
    listed = json.loads(capsys.readouterr().out)
    assert (listed[0]["open_id"], listed[0]["state"]) == ("ou_alice", "revoked")
    assert "airflow_user" not in listed[0]


def test_a_person_is_revoked(people: People, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("revoke", "ou_bob") == 0
    assert capsys.readouterr().out == "Revoked ou_bob: bob\n"
    assert people.find("cli_a", "t", "ou_bob") is None
    assert people.find("cli_a", "t", "ou_alice") is not None


@pytest.mark.parametrize(
    ("more", "left"), [((), {"ou_alice"}), (("--app-id", "cli_b"), {"ou_alice", "ou_bob"})]
)
def test_a_user_is_revoked(people: People, more: tuple[str, ...], left: set[str]) -> None:
    assert run("revoke", "--user", "bob", *more) == 0
    assert {link.person.open_id for link in people.list_links()} == left


@pytest.mark.parametrize(
    "arguments", [("ou_nobody",), ("--user", "nobody"), ("--user", "alice", "--app-id", "x")]
)
@pytest.mark.usefixtures("people")
def test_what_is_not_linked_is_said(arguments: tuple[str, ...]) -> None:
    with pytest.raises(WrongUseError, match="There is no link of"):
        run("revoke", *arguments)


def test_an_empty_list_says_so(people: People, capsys: pytest.CaptureFixture[str]) -> None:
    for open_id in ("ou_alice", "ou_bob", "ou_bob_b"):
        people.revoke(open_id)
    assert run("list") == 0
    assert capsys.readouterr().out == "No person is linked.\n"
