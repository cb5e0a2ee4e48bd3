"""Who gets the card of a question."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from lark_provider.bridge.receivers import Recipients, compute_wait_end
from lark_provider.bridge.routes import RoutesFile
from lark_provider.protocol.hitl.model import Assignee
from lark_provider.protocol.quiet_hours import QuietHours
from lark_provider.storage.people import Account, People, Person
from tests.bridge.builders import question

BOB, ANN = Assignee("bob", "Bob"), Assignee("3", "ann")


def ask(sqlite: URL, folder: Path, text: str, *assignees: Assignee) -> list[tuple[str, tuple[str, ...]]]:
    """Return the receiver and the mentions of each card of a question, with bob linked."""
    (folder / "lark.yaml").write_text(text)
    people = People(sqlite)
    people.link_person(Person("cli_a", "tenant", "ou_bob"), Account("Simple", "bob", "bob", {"sub": "bob"}))
    hitl_question = question(assignees=assignees)
    cards = Recipients(RoutesFile(str(folder / "lark.yaml")), people, "cli_a").make_cards([hitl_question])
    return [(card.receiver, tuple(card.mentions)) for card in cards[hitl_question.task.ti_id]]


def test_assignees_are_asked_who_are_linked_or_in_the_table(sqlite: URL, tmp_path: Path, key: str) -> None:
    table = "people: {ou_ann: ann, ou_bob: bob, ou_eve: '3'}"
    assert ask(sqlite, tmp_path, table, BOB, ANN) == [("ou_bob", ()), ("ou_ann", ())]
    assert ask(sqlite, tmp_path, "", BOB, ANN) == [("ou_bob", ())]
    assert ask(sqlite, tmp_path, table) == []


def test_a_route_takes_their_place_and_mentions_them(sqlite: URL, tmp_path: Path, key: str) -> None:
    text = "people: {ou_ann: ann}\nroutes: [{dag: d, to: oc_1}, {dag: d, to: oc_2}]"
    assert ask(sqlite, tmp_path, text, ANN, BOB) == [("oc_1", ("ou_ann", "ou_bob"))]


NIGHT = QuietHours(time(22), time(7), "Asia/Shanghai")
EVENING, MORNING = datetime(2026, 11, 26, 15, tzinfo=UTC), datetime(2026, 11, 26, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deadline", "now", "waits"),
    [
        (None, EVENING, MORNING),
        (MORNING + timedelta(seconds=1), EVENING, MORNING),
        (MORNING, EVENING, None),  # It has to be answered before they end.
        (EVENING + timedelta(hours=1), EVENING, None),
        (None, MORNING, None),
    ],
)
def test_a_question_waits_for_the_morning_unless_it_ends_before(
    deadline: datetime | None, now: datetime, waits: datetime | None
) -> None:
    assert compute_wait_end(NIGHT, deadline, now) == waits
    assert compute_wait_end(None, deadline, now) is None


def test_a_card_knows_until_when_it_waits(sqlite: URL, tmp_path: Path, key: str) -> None:
    now = datetime.now(UTC)
    hours = "-".join((now + timedelta(hours=offset)).strftime("%H:%M") for offset in (-1, 2))
    (tmp_path / "lark.yaml").write_text(
        f"routes: [{{dag: d, to: oc_1, timezone: UTC, quiet_hours: '{hours}', continue: true}}, {{to: oc_2}}]"
    )
    recipients = Recipients(RoutesFile(str(tmp_path / "lark.yaml")), People(sqlite), "cli_a")
    open_ended, soon = question(), question(deadline=now + timedelta(hours=1))
    cards = recipients.make_cards([open_ended, soon])
    quiet, loud = cards[open_ended.task.ti_id]
    assert quiet.not_before is not None
    assert timedelta(hours=1) < quiet.not_before - now <= timedelta(hours=2)
    assert loud.not_before is None
    assert [card.not_before for card in cards[soon.task.ti_id]] == [None, None]
