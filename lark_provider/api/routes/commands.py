"""Which DAGs may be run or shown by a message, in which chats, and by whom: `commands` of `lark.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lark_provider.api.routes.members import MemberReader, Mistakes
from lark_provider.api.routes.yaml_text import Value

DIRECT = "direct"
_FIND_CHAT = "copy its chat_id from `lark-provider doctor`, which lists the chats of the bot"
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
        line: The line of `lark.yaml` where the rule begins, from 1.
        chats: The chats in which the commands are accepted, `oc_…`; `direct` for messages to the bot alone.
        dags: Patterns of DAG ids, case-sensitive, one of which must match; empty for all.
        tags: Patterns of tags, one of which must match too; empty for all.
        people: The open_ids of the people who may use the commands; empty for everybody in the chats.
        app_id: The app whose bot takes the commands; None for any app.
        arguments: The names of params, in the order in which a command gives their values.
        acts: The commands that it allows: `run`, `status`, `runs`.
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
        """Return whether a person may use the rule in a chat, for any DAG.

        Args:
            app_id: The id of the app that received the message.
            chat_id: The id of the chat.
            open_id: The open_id of the person.
            is_direct: Whether the chat is that of the person and the bot.
        """
        return (
            (DIRECT if is_direct else chat_id) in self.chats
            and (not self.people or open_id in self.people)
            and self.app_id in {None, app_id}
        )

    def fits(self, act: str, dag_id: str, tags: Iterable[str]) -> bool:
        """Return whether the rule allows a command for a DAG.

        Args:
            act: The command: `run`, `status` or `runs`.
            dag_id: The id of the DAG.
            tags: The tags of the DAG.
        """
        return (
            act in self.acts
            and (not self.dags or any(fnmatchcase(dag_id, pattern) for pattern in self.dags))
            and (not self.tags or any(fnmatchcase(tag, pattern) for tag in tags for pattern in self.tags))
        )


def read_rules(value: Value | None, mistakes: Mistakes) -> tuple[CommandRule, ...]:
    """Read `commands`; each mistake is collected with its line.

    Args:
        value: The value of `commands`; None if the file has none.
        mistakes: The collector to which mistakes are added.
    """
    if value is None:
        return ()
    if not isinstance(value.plain, list):
        mistakes.add(value.line, "commands must be a list, got something else. Next: begin each with `- `.")
        return ()
    return tuple(
        _read_rule(MemberReader(command, "a command", _MEMBERS, mistakes)) for command in value.plain
    )


def _read_rule(command: MemberReader) -> CommandRule:
    dags, tags, chats = command.read_texts("dag"), command.read_texts("tag"), command.read_texts("chat")
    if not (dags or tags):
        command.mistakes.add(
            command.line, "a command must name DAGs, got none. Next: add `dag: etl_*`, or `tag: chat`."
        )
    if not chats:
        command.mistakes.add(
            command.line,
            f"a command must name chats, got none. Next: add `chat: [oc_…]`, or `chat: {DIRECT}`.",
        )
    arguments, people = command.read_texts("arguments"), command.read_texts("person")
    _check(command, "chat", chats, _CHAT, f"chats (oc_…) or {DIRECT}", _FIND_CHAT)
    _check(
        command,
        "person",
        people,
        _PERSON,
        "open_ids (ou_…)",
        "write the person's open_id, such as ou_7d8a6e6d",
    )
    wanted = "names of params, without spaces, quotes, backslashes and ="
    _check(
        command, "arguments", arguments, _ARGUMENT, wanted, "write the name of a param as the DAG declares it"
    )
    return CommandRule(
        line=command.line,
        chats=chats,
        dags=dags,
        tags=tags,
        people=people,
        app_id=command.read_text("app", None),
        arguments=arguments,
        acts=_WHAT[command.read_choice("what", _WHAT, "both")],
    )


def _check(
    command: MemberReader, name: str, texts: Iterable[str], form: re.Pattern[str], wanted: str, step: str
) -> None:
    for text in texts:
        if not form.fullmatch(text):
            value = command.get(name)
            line = command.line if value is None else value.line
            command.mistakes.add(line, f"{name} must be {wanted}, got {text[:80]!r}. Next: {step}.")
