"""Who gets the card of a question."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL

from lark_provider.bridge.receivers import Recipients
from lark_provider.bridge.routes import RoutesFile
from lark_provider.protocol.hitl.model import Assignee
from lark_provider.storage.people import Account, People, Person
from tests.bridge.making import question

BOB, ANN = Assignee("bob", "Bob"), Assignee("3", "ann")


def asked(sqlite: URL, folder: Path, text: str, *assignees: Assignee) -> list[tuple[str, tuple[str, ...]]]:
    """Return receivers and mentions of a question, with bob linked."""
    (folder / "lark.yaml").write_text(text)
    people = People(sqlite)
    people.link(Person("cli_a", "tenant", "ou_bob"), Account("Simple", "bob", "bob", {"sub": "bob"}))
    made = question(assignees=assignees)
    found = Recipients(RoutesFile(str(folder / "lark.yaml")), people, "cli_a").cards([made])
    return [(one.receiver, tuple(one.mentions)) for one in found[made.task.ti_id]]


def test_assignees_are_asked_who_are_linked_or_in_the_table(sqlite: URL, tmp_path: Path, key: str) -> None:
    table = "people: {ou_ann: ann, ou_bob: bob, ou_eve: '3'}"
    assert asked(sqlite, tmp_path, table, BOB, ANN) == [("ou_bob", ()), ("ou_ann", ())]
    assert asked(sqlite, tmp_path, "", BOB, ANN) == [("ou_bob", ())]
    assert asked(sqlite, tmp_path, table) == []


def test_a_route_takes_their_place_and_mentions_them(sqlite: URL, tmp_path: Path, key: str) -> None:
    text = "people: {ou_ann: ann}\nroutes: [{dag: d, to: oc_1}, {dag: d, to: oc_2}]"
    assert asked(sqlite, tmp_path, text, ANN, BOB) == [("oc_1", ("ou_ann", "ou_bob"))]
