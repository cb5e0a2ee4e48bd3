"""Which DAGs may be run or shown by a message, in which chats, and by whom: `commands` of `lark.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lark_provider.api.routes.members import MemberReader, Mistakes
from lark_provider.api.routes.yaml_text import Value

DIRECT = "direct"
_MEMBERS = ("dag", "tag", "chat", "person", "app", "arguments", "what")
_WHAT: Mapping[str, frozenset[str]] = {
    "run": frozenset({"run"}),
    "status": frozenset({"status", "runs"}),
    "both": frozenset({"run", "status", "runs"}),
}
_CHAT, _PERSON = re.compile(rf"oc_[A-Za-z0-9]+|{DIRECT}"), re.compile(r"ou_[A-Za-z0-9_-]+")
_ARGUMENT = re.compile(r"[^\s=\"'\\]+")


@dataclass(frozen=True, slots=True)
class CommandRule:
    """What `lark.yaml` opens to commands.

    Attributes:
        line: In the file.
        chats: Chats, `oc_…`; `direct` for messages to the bot alone.
        dags: Patterns of DAG ids, case-sensitive, one of which must match; empty for all.
        tags: Patterns of tags, one of which must match too; empty for all.
        people: Open_ids of those who may; empty for everybody of the chats.
        app_id: The app whose bot takes it; None for each.
        arguments: Names of params, in the order in which a command gives their values.
        acts: Which commands: `run`, `status`, `runs`.
    """

    line: int
    chats: tuple[str, ...]
    dags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    app_id: str | None = None
    arguments: tuple[str, ...] = ()
    acts: frozenset[str] = _WHAT["both"]

    def is_open_to(self, app_id: str, chat_id: str, open_id: str, *, is_direct: bool) -> bool:
        """Return whether a person may use it there, whatever the DAG.

        Args:
            app_id: The app that received the message.
            chat_id: The chat.
            open_id: The person.
            is_direct: Whether the chat is that of the person and the bot.
        """
        return (
            (DIRECT if is_direct else chat_id) in self.chats
            and (not self.people or open_id in self.people)
            and self.app_id in {None, app_id}
        )

    def fits(self, act: str, dag_id: str, tags: Iterable[str]) -> bool:
        """Return whether it is for a command on a DAG.

        Args:
            act: The command.
            dag_id: The DAG.
            tags: Its tags.
        """
        return (
            act in self.acts
            and (not self.dags or any(fnmatchcase(dag_id, one) for one in self.dags))
            and (not self.tags or any(fnmatchcase(tag, one) for tag in tags for one in self.tags))
        )


def read_rules(given: Value | None, mistakes: Mistakes) -> tuple[CommandRule, ...]:
    """Read `commands`; each mistake is collected with its line.

    Args:
        given: The value; None if there is none.
        mistakes: Where mistakes go.
    """
    if given is None:
        return ()
    if not isinstance(given.plain, list):
        mistakes.add(given.line, "commands must be a list, got something else. Next: begin each with `- `.")
        return ()
    return tuple(_rule(MemberReader(one, "a command", _MEMBERS, mistakes)) for one in given.plain)


def _rule(given: MemberReader) -> CommandRule:
    dags, tags, chats = given.texts("dag"), given.texts("tag"), given.texts("chat")
    if not (dags or tags):
        given.mistakes.add(
            given.line, "a command must name DAGs, got none. Next: add `dag: etl_*`, or `tag: chat`."
        )
    if not chats:
        given.mistakes.add(
            given.line, f"a command must name chats, got none. Next: add `chat: [oc_…]`, or `chat: {DIRECT}`."
        )
    arguments, people = given.texts("arguments"), given.texts("person")
    _check(given, "chat", chats, _CHAT, f"chats (oc_…) or {DIRECT}")
    _check(given, "person", people, _PERSON, "open_ids (ou_…)")
    wanted = "names of params, without spaces, quotes, backslashes and ="
    _check(given, "arguments", arguments, _ARGUMENT, wanted)
    return CommandRule(
        line=given.line,
        chats=chats,
        dags=dags,
        tags=tags,
        people=people,
        app_id=given.text("app", None),
        arguments=arguments,
        acts=_WHAT[given.choice("what", _WHAT, "both")],
    )


def _check(given: MemberReader, name: str, found: Iterable[str], form: re.Pattern[str], wanted: str) -> None:
    for one in found:
        if not form.fullmatch(one):
            value = given.get(name)
            line = given.line if value is None else value.line
            given.mistakes.add(line, f"{name} must be {wanted}, got {one[:80]!r}. Next: correct it.")
