from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.routes.model import RouteReceiver, Routes
from lark_provider.api.routes.reading import read_routes
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.hitl.model import HitlQuestion, TaskInstance

FILE = """
hold: 20
email_domains: [Example.com]
people: {ou_1: bob, ou_2: "3"}
defaults: {app: cli_a, language: en, timezone: Asia/Shanghai}
routes:
  - name: payments
    dag: [pay_*, billing]
    tag: prod*
    to: [oc_pay, {id: ann@example.com, language: zh, app: cli_b, mentions: [all]}]
    mentions: [ou_1, ann@example.com]
    quiet: 22:00-07:00
    continue: true
  - task: noisy_?
    what: failures
    mute: true
  - owner: data
    team: blue
    what: questions
    to: ou_7
  - dag: "*"
    what: failures
    to: oc_all
"""


def find_receivers(routes: Routes, dag: str, task: str = "t", **more: object) -> list[str]:
    arguments = {"tags": (), "owners": (), **more}
    return [receiver.receiver for receiver in routes.for_failure(dag, task_id=task, **arguments)]  # type: ignore[arg-type]


def question(dag: str, owners: tuple[str, ...] = (), tags: tuple[str, ...] = ()) -> HitlQuestion:
    return HitlQuestion(TaskInstance("u", dag, "r", "t"), "?", owners=owners, tags=tags)


def test_the_first_route_that_matches_is_used_and_more_after_continue() -> None:
    routes = read_routes(FILE)
    assert find_receivers(routes, "other") == ["oc_all"]
    assert find_receivers(routes, "pay_day", tags=["prod_eu"]) == ["oc_pay", "ann@example.com", "oc_all"]
    assert find_receivers(routes, "pay_day", tags=["test"]) == ["oc_all"]
    assert find_receivers(routes, "PAY_day", tags=["prod"]) == ["oc_all"]
    assert find_receivers(routes, "other", "noisy_1") == []
    assert find_receivers(routes, "billing", "noisy_1", tags=["prod"]) == ["oc_pay", "ann@example.com"]


def test_a_question_without_a_route_goes_to_no_chat() -> None:
    routes = read_routes(FILE)
    assert routes.for_question(question("other")) == []
    assert routes.for_question(question("other", owners=("data",))) == []
    receivers = routes.for_question(question("other", owners=("data",)), team="blue")
    assert receivers == [RouteReceiver("cli_a", "ou_7", "open_id", "en", (), "Asia/Shanghai")]
    assert Routes().for_question(question("any")) == []


def test_a_receiver_has_what_its_route_and_the_defaults_say_unless_it_says_so_itself() -> None:
    chat, person = read_routes(FILE).for_question(question("billing", tags=("prod",)))
    assert chat == RouteReceiver(
        "cli_a", "oc_pay", "chat_id", "en", ("ou_1", "ann@example.com"), "Asia/Shanghai"
    )
    assert person == RouteReceiver("cli_b", "ann@example.com", "email", "zh", ("all",), "Asia/Shanghai")


@pytest.mark.parametrize(
    ("hour", "mentioned"), [(13, True), (14, False), (22, False), (23, True)]
)  # in UTC; Shanghai is 8 hours ahead
def test_no_person_is_mentioned_in_quiet_hours(hour: int, mentioned: bool) -> None:
    at = datetime(2026, 11, 26, hour, 0, tzinfo=UTC)
    chat = read_routes(FILE).for_question(question("billing", tags=("prod",)), at=at)[0]
    assert bool(chat.mentions) is mentioned


def test_a_receiver_of_two_routes_gets_one_card() -> None:
    routes = read_routes("""
routes:
  - {dag: a*, to: oc_1, language: en, continue: true}
  - {dag: "*", to: [oc_1, {id: oc_1, app: cli_b}], language: zh}
""")
    assert [(receiver.app_id, receiver.language) for receiver in routes.for_failure("a", (), (), "t")] == [
        (None, "en"),
        ("cli_b", "zh"),
    ]


def test_a_muted_question_goes_to_its_assignees_alone() -> None:
    routes = read_routes("routes: [{dag: quiet, mute: true}, {dag: '*', to: oc_1}]")
    assert routes.for_question(question("quiet")) == []
    assert len(routes.for_question(question("loud"))) == 1


def test_the_settings() -> None:
    routes = read_routes(FILE)
    assert routes.people.users == {"ou_1": "bob", "ou_2": "3"}
    assert routes.people.email_domains == ("example.com",)
    assert (routes.hold, routes.new_card_when_lost) == (20.0, False)
    assert (routes.language, routes.timezone, routes.app_id) == ("en", "Asia/Shanghai", "cli_a")
    assert read_routes("") == Routes() == read_routes("# only a comment\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("routes: 1", "Line 1: routes must be a list, got '1'. Next: "),
        ("\nroutes:\n  - dag: a", "Line 3: a route must have receivers, got none. Next: "),
        ("routes:\n- dag: a\n  to: x y", "Line 3: to must be ids of chats"),
        ("routes:\n- to: oc_1\n  chat: oc_2", "Line 3: 'chat' must be a member of a route, and is not"),
        ("routes:\n- to: oc_1\n  to: oc_2", "Line 3: 'to' must be there once, and line 2 has it too"),
        ("routes:\n- to: oc_1\n  quiet: 22-7", "Line 3: quiet must be hours such as 22:00-07:00"),
        ("routes:\n- to: oc_1\n  timezone: America", "Line 3: timezone must be an IANA time zone"),
        ("routes:\n- to: oc_1\n  what: all", "Line 3: what must be one of questions, failures, both"),
        ("routes:\n- to: oc_1\n  mute: true", "Line 2: to must be left out of a route that mutes"),
        ("routes:\n- to: oc_1\n  mute: 'no'", "Line 3: mute must be true or false, got 'no'"),
        ("routes:\n- to: oc_1\n  mentions: bob", "mentions must be open_ids"),
        ("routes:\n- to: oc_1\n  mentions: on_1", "mentions must be open_ids"),
        ("routes:\n- to: [{app: cli_1}]", "Line 2: a receiver must have an id, got none"),
        ("routes:\n- to: oc_1\n  dag: []", "Line 3: dag must be a text or a list of them, got a list"),
        ("hold: soon", "Line 1: hold must be a number of seconds from 0 to 3600, got 'soon'"),
        ("hold: .nan", "Line 1: hold must be a number"),
        ("people:\n  ou_2: x\n  bob: ou_1", "Line 3: people must name each person by an open_id"),
        ("email_domains: [com]", "Line 1: email_domains must be domains such as example.com"),
        ("hold: !!python/object/apply:os.system [x]", "Line 1: a value must be a text"),
        ("a: [", "Line 1: it must be YAML"),
        ("? [a]\n: b", "Line 1: a key must be a word"),
        ("a: &a {b: 1}\nc:\n  <<: *a", "Line 3: `<<` is not supported"),
        ("[" * 5000, "must not be nested so deeply"),
        ("a: &a [*a]", "must not be nested so deeply"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_next_step(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_routes(text)
    assert expected in str(caught.value)
    assert all(". Next: " in line for line in str(caught.value).splitlines())


def test_all_mistakes_are_named_at_once_and_not_more_than_a_screen_of_them() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_routes("hold: x\nroutes:\n- to: 1\n- {what: y, to: oc_1}\n- {}\n")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["Line 1", "Line 4", "Line 5"]
    with pytest.raises(ConfigurationError, match="… and 80 more mistakes"):
        read_routes("routes:\n" + "- {}\n" * 100)


@pytest.mark.parametrize(
    "text",
    [
        "app_secret: sesame",
        "routes: [{to: oc_1, password: sesame}]",
        "routes: [{to: {id: oc_1, webhook: sesame}}]",
        "airflow: {token: {value: sesame}}",
        "routes: [{to: https://open.feishu.cn/open-apis/bot/v2/hook/sesame}]",
        "routes: [{to: oc_1, name: 'Bearer sesame'}]",
        "people: {ou_1: postgresql://u:sesame@host/db}",
        "defaults: {app: t-sesame00000000000000000000}",
    ],
)
def test_secrets_are_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_routes(text)
    assert "must not be in this file" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_names_that_only_look_a_little_like_secrets_are_taken() -> None:
    routes = read_routes("routes: [{dag: [team-a-payments_daily, token_refresh], tag: secret, to: oc_1}]")
    assert routes.for_failure("token_refresh", ["secret"], (), "t")


def test_aliases_are_followed_and_do_not_explode() -> None:
    routes = read_routes("routes:\n- {dag: a, to: &us [oc_1, oc_2]}\n- {dag: b, to: *us}\n")
    assert find_receivers(routes, "b") == ["oc_1", "oc_2"]
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(ConfigurationError, match="aliases included"):
        read_routes("\n".join(lines))


def test_a_file_must_be_utf_8() -> None:
    with pytest.raises(ConfigurationError, match="Line 2: a routes file must be UTF-8"):
        read_routes(b"hold: 1\nroutes: \xff")
    assert read_routes(b"\xef\xbb\xbfhold: 1").hold == 1


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes()
_WORDS = st.sampled_from(
    ["routes", "to", "dag", "hold", "people", "ou_1", "oc_1", "mute", "quiet", "22:00-07:00", "defaults",
     "timezone", "app", "id", "mentions", "all", "continue", "what", "both", "email_domains", "a@b.co"]
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_WORDS | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(_VALUES)
def test_any_yaml_is_routes_or_a_configuration_error(value: object) -> None:
    import yaml

    for flow in (True, False):
        _routes_or_error(yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow).encode())


@given(
    st.binary(max_size=200) | st.text(alphabet="{}[]:,-&*!?|>'\"%@#<= \n\tabo_1", max_size=60).map(str.encode)
)
def test_any_bytes_are_routes_or_a_configuration_error(data: bytes) -> None:
    _routes_or_error(data)


def _routes_or_error(data: bytes) -> None:
    try:
        routes = read_routes(data)
    except ConfigurationError as error:
        assert ". Next: " in str(error)  # noqa: PT017 - either is right
    else:
        assert isinstance(routes.for_failure("d", ["t"], ["o"], "k", at=datetime.now(UTC)), list)
