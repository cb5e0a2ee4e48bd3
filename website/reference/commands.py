"""The command line, from its parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from lark_provider.cli.__main__ import make_parser
from website.layout import Language
from website.reference import writing
from website.reference.chinese_commands import COMMANDS, ENDINGS
from website.reference.chinese_options import OPTIONS
from website.reference.translation import Translation

_TEXTS = {
    "en": (
        "Command line",
        "`lark-provider COMMAND …`, also `python -m lark_provider.cli COMMAND …`. Exit codes: 0 done, 1 failed, 2 "
        "wrong use. Every command explains itself with `--help`; the texts below are those explanations.",
        ("Argument", "Default", "Meaning"),
    ),
    "zh": (
        "命令行",
        "`lark-provider COMMAND …`，也可以写成 `python -m lark_provider.cli COMMAND …`。退出码：0 成功，1 失败，2 用法错误。每个"
        "命令都有 `--help`；下面是其内容的译文。",
        ("参数", "默认值", "含义"),
    ),
}


def make_page(language: Language) -> str:
    """Return the page of commands.

    Raises:
        SiteError: A text has no Chinese, or Chinese is there for a text that is not.
    """
    title, intro, heads = _TEXTS[language.code]
    described = Translation("website/reference/chinese_commands.py", COMMANDS, ENDINGS)
    options = Translation("website/reference/chinese_options.py", OPTIONS)
    parts = list(_commands(make_parser(), language, heads, 2, described, options))
    described.check()
    options.check()
    return writing.join_parts(f"# {title}", intro, *parts)


def _commands(
    command: argparse.ArgumentParser,
    language: Language,
    heads: tuple[str, ...],
    level: int,
    described: Translation,
    options: Translation,
) -> Iterator[str]:
    for action in command._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        helps = {choice.dest: choice.help for choice in action._choices_actions}
        for name, child in action.choices.items():
            about = described.say(language, child.description or _sentence(helps.get(name) or ""))
            yield f"{'#' * level} `{child.prog}`\n\n{_escape(writing.format_text(about.replace('%%', '%')))}"
            if rows := list(_arguments(child, language, options)):
                yield f"```\n{_usage(child)}\n```"
                yield writing.table(heads, rows)
            yield from _commands(child, language, heads, min(level + 1, 3), described, options)


def _usage(command: argparse.ArgumentParser) -> str:
    names = [
        action.metavar if isinstance(action.metavar, str) else action.dest
        for action in command._actions
        if not action.option_strings
    ]
    return " ".join([command.prog, *names, "[OPTIONS]"])


def _arguments(
    command: argparse.ArgumentParser, language: Language, options: Translation
) -> Iterator[tuple[str, str, str]]:
    for action in command._actions:
        if (
            isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
            or action.help == argparse.SUPPRESS
        ):
            continue
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        names = ", ".join(f"`{option}{value}`" for option in action.option_strings)
        choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
        default = "" if action.default in (None, False, argparse.SUPPRESS) else f"`{action.default}`"
        about = options.say(language, action.help or "") % {**vars(action), "prog": command.prog}
        yield names or f"`{action.metavar or action.dest}`", default, _escape(about + choices)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _escape(text: str) -> str:
    """Return help as Markdown that shows as it is written."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_") for part in parts[::2]]
    return "`".join(parts)
