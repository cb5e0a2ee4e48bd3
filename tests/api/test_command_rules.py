"""`commands` of `lark.yaml`: what it opens, to whom and where, and mistakes with their lines."""

from __future__ import annotations

import pytest

from lark_provider.api.routes.commands import CommandRule
from lark_provider.api.routes.reading import read_routes
from lark_provider.errors import ConfigurationError


def test_commands_are_read() -> None:
    rules = read_routes(
        "commands:\n"
        "  - dag: [etl_*, load]\n    tag: chat\n    chat: [oc_a, direct]\n    person: ou_ann\n"
        "    app: cli_a\n    arguments: [day, full]\n    what: run\n"
        "  - tag: '*'\n    chat: oc_b\n"
    ).commands
    assert rules[0] == CommandRule(
        2, ("oc_a", "direct"), ("etl_*", "load"), ("chat",), ("ou_ann",), "cli_a", ("day", "full"),
        frozenset({"run"}),
    )  # fmt: skip
    assert rules[1].acts == {"run", "status", "runs"}
    assert read_routes("routes: []").commands == ()


def test_what_a_rule_opens() -> None:
    rule = CommandRule(
        1, ("oc_a",), ("etl_*",), ("chat",), ("ou_ann",), "cli_a", acts=frozenset({"status", "runs"})
    )
    assert rule.is_open_to("cli_a", "oc_a", "ou_ann", is_direct=False)
    for app, chat, person, is_direct in (
        ("cli_b", "oc_a", "ou_ann", False),
        ("cli_a", "oc_b", "ou_ann", False),
        ("cli_a", "oc_a", "ou_bob", False),
        ("cli_a", "oc_a", "ou_ann", True),
    ):
        assert not rule.is_open_to(app, chat, person, is_direct=is_direct)
    direct = CommandRule(1, ("direct",), ("*",))
    assert direct.is_open_to("cli_a", "oc_any", "ou_any", is_direct=True)
    assert not direct.is_open_to("cli_a", "oc_any", "ou_any", is_direct=False)
    assert rule.fits("status", "etl_a", ["x", "chat"])
    for act, dag, tags in (("run", "etl_a", ["chat"]), ("runs", "ETL_a", ["chat"]), ("runs", "etl_a", ["x"])):
        assert not rule.fits(act, dag, tags)


@pytest.mark.parametrize(
    ("text", "line", "wanted"),
    [
        ("commands: {}", 1, "commands must be a list"),
        ("commands:\n  - chat: oc_a", 2, "must name DAGs"),
        ("commands:\n  - dag: a", 2, "must name chats"),
        ("commands:\n  - dag: a\n    chat: ops", 3, "chat must be chats (oc_…) or direct, got 'ops'"),
        (
            "commands:\n  - dag: a\n    chat: direct\n    person: ann@example.com",
            4,
            "person must be open_ids",
        ),
        ("commands:\n  - dag: a\n    chat: direct\n    arguments: ['a b']", 4, "arguments must be names"),
        ("commands:\n  - dag: a\n    chat: direct\n    arguments: ['a\\b']", 4, "quotes, backslashes and ="),
        ("commands:\n  - dag: a\n    chat: direct\n    what: all", 4, "what must be one of"),
        ("commands:\n  - dag: a\n    chat: direct\n    dags: b", 4, "'dags' must be a member of a command"),
        ("commands:\n  - etl", 2, "a command must be members"),
    ],
)
def test_mistakes_name_their_lines(text: str, line: int, wanted: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_routes(text)
    mistakes = [mistake for mistake in str(caught.value).splitlines() if wanted in mistake]
    assert mistakes
    assert mistakes[0].startswith(f"Line {line}: ")
    assert "Next: " in mistakes[0]
