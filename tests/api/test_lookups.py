"""Looking people up, with a Lark and a memory that are dicts: what is asked for, and how often."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api import contact, lookups
from lark_provider.api.lookups import BATCH, DAY, UNKNOWN_SECONDS
from lark_provider.errors import InvalidRequestError, LarkAPIError, LarkError, TransportError
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import CachedAnswer, CacheGet, CachePut
from lark_provider.protocol.operations import Procedure

COLLEAGUES = [f"user{number}@example.com" for number in range(120)]
ASKED = st.sampled_from([*COLLEAGUES, *(email.upper() for email in COLLEAGUES), "who@example.com", "a@b"])


class Office:
    """Answers what procedures yield: Lark, and what is remembered."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {email: f"ou_{email}" for email in COLLEAGUES}
        self.remembered: dict[str, tuple[Any, float]] = {}
        self.now = 0.0
        self.batches: list[int] = []
        self.failure: dict[int, LarkError] = {}
        self.statements = 0

    def perform(self, procedure: Procedure[Any]) -> Any:
        """Run a procedure, and return its result."""
        return self._step(procedure, None)

    def _step(self, procedure: Generator[Any, Any, Any], answer: Any) -> Any:
        try:
            while True:
                effect = procedure.send(answer)
                try:
                    answer = self._answer(effect)
                except LarkError as error:
                    answer = self._answer(procedure.throw(error))
        except StopIteration as stop:
            return stop.value

    def _answer(self, effect: Any) -> Any:
        match effect:
            case CacheGet():
                self.statements += 1
                return {
                    lookup: CachedAnswer(self.remembered[lookup][0], self.now - self.remembered[lookup][1])
                    for lookup in effect.lookups
                    if lookup in self.remembered
                }
            case CachePut():
                self.statements += 1
                self.remembered |= {lookup: (value, self.now) for lookup, (value, _) in effect.people.items()}
                return None
            case Call():
                return self._answer_lookup(effect)
        raise AssertionError(effect)

    def _answer_lookup(self, call: Call[Any]) -> LarkResponse[Any]:
        import orjson

        emails = orjson.loads(call.body or b"")["emails"]
        self.batches.append(len(emails))
        if error := self.failure.get(len(self.batches)):
            raise error
        users = [
            {"email": email}
            | ({"user_id": self.people[email.lower()]} if email.lower() in self.people else {})
            for email in emails
        ]
        return LarkResponse(0, "ok", {"user_list": users})


@given(st.lists(ASKED, max_size=130))
def test_each_is_asked_for_once_and_answered_as_they_were_named(asked: list[str]) -> None:
    office = Office()
    people = {email.lower() for email in asked}
    for _ in range(2):
        open_ids = office.perform(contact.find_by_email(asked))
        assert list(open_ids.items()) == [
            (email, office.people.get(email.lower())) for email in dict.fromkeys(asked)
        ]
        assert sum(office.batches) == len(people)
        assert len(office.batches) == -(-len(people) // BATCH)
        assert all(size <= BATCH for size in office.batches)


def test_one_query_and_one_statement_for_many() -> None:
    office = Office()
    office.perform(contact.find_by_email(COLLEAGUES))
    assert (office.batches, office.statements) == ([50, 50, 20], 2)
    office.perform(contact.find_by_email(COLLEAGUES))
    assert (office.batches, office.statements) == ([50, 50, 20], 3)


def test_cached_users_expire_and_unknown_users_sooner() -> None:
    office = Office()
    both = [COLLEAGUES[0], "who@example.com"]
    for now, asked_for in ((0, 2), (UNKNOWN_SECONDS - 1, 0), (UNKNOWN_SECONDS, 1), (DAY - 1, 1), (DAY, 1)):
        office.now, office.batches = now, []
        office.perform(contact.find_by_email(both))
        assert sum(office.batches) == asked_for
    office.batches = []
    office.perform(contact.find_by_email(both[:1], max_age=0))
    assert office.batches == [1]


def test_what_was_learned_before_the_trouble_is_kept() -> None:
    office = Office()
    office.failure = {2: TransportError("unavailable")}
    with pytest.raises(TransportError):
        office.perform(contact.find_by_email(COLLEAGUES))
    assert office.batches == [50, 50]
    office.perform(contact.find_by_email(COLLEAGUES))
    assert office.batches == [50, 50, 50, 20]


def test_old_answers_serve_while_lark_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    office.perform(contact.find_by_email(COLLEAGUES))
    office.now, office.batches, office.failure = DAY, [], {2: TransportError("unavailable")}
    assert office.perform(contact.find_by_email(COLLEAGUES)) == office.people
    assert office.batches == [50, 50]  # Lark is not asked a third time
    (warning,) = caplog.records
    assert (warning.levelname, vars(warning)["entries"]) == ("WARNING", 70)
    assert "using expired cache entries" in warning.getMessage()


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        ("who@example.com", TransportError("unavailable")),  # unknown when cached, perhaps registered since
        ("new@example.com", TransportError("unavailable")),  # never asked for
        (COLLEAGUES[0], LarkAPIError("the scope was withdrawn")),
    ],
)
def test_failure_that_old_answers_do_not_help_with(asked: str, failure: LarkError) -> None:
    office = Office()
    office.perform(contact.find_by_email([COLLEAGUES[0], "who@example.com"]))
    office.now, office.failure = DAY, {2: failure}
    with pytest.raises(type(failure)):
        office.perform(contact.find_by_email([COLLEAGUES[0], asked]))


def test_many_are_kept_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_SLICE", 100)
    office = Office()
    assert office.perform(contact.find_by_email(COLLEAGUES)) == office.people
    assert (office.batches, office.statements) == ([50, 50, 20], 4)


@pytest.mark.parametrize(
    ("number", "same"),
    [
        ("13800000001", "+8613800000001"),
        (" +86 138-0000-0001 ", "+8613800000001"),
        ("+1 (202) 555-0100", "+12025550100"),
    ],
)
def test_a_number_has_one_form(number: str, same: str) -> None:
    assert contact.parse_mobile_number(number) == same


@pytest.mark.parametrize(
    "procedure",
    [
        contact.find_by_email(["alice@example.com", "alice"]),
        contact.find_by_email([""]),
        contact.find_by_email(["a b@example.com"]),
        contact.find_by_email(["a\0@example.com"]),
        contact.find_by_email("x" * 65 + "@example.com"),
        contact.find_by_email([5]),  # type: ignore[list-item]
        contact.find_by_email(None),  # type: ignore[arg-type]
        contact.find_by_mobile(["12345"]),
        contact.find_by_mobile(["008613800000001"]),
        contact.find_by_mobile("+86138000000011234567"),
        contact.get_id(""),
        contact.get_users(["ou_1", " "]),
        contact.get_users(["ou_1\n2"]),
        contact.get_users([["ou_1"]]),  # type: ignore[list-item]
        contact.get_users(["ou_1"], user_id_type="lark_id"),  # type: ignore[arg-type]
        contact.find_by_email(["a@b.example"], user_id_type="email"),  # type: ignore[arg-type]
        contact.find_by_email(["a@b.example"], max_age=-1),
        contact.get_user("ou_1", max_stale_age=-1),
        contact.find_by_email(["a@b.example"], max_age=float("nan")),
        contact.find_by_email(["a@b.example"], max_age="1 h"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(procedure: Procedure[Any]) -> None:
    with pytest.raises(InvalidRequestError, match="Next: "):
        next(procedure)


def test_nobody_is_asked_for_nobody() -> None:
    office = Office()
    assert office.perform(contact.find_by_email([])) == {}
    assert office.statements == 0
