"""Read the text of a command: words, with quotes as in a shell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from lark_provider.protocol.commands.delivery import is_dag_id
from lark_provider.protocol.commands.message import MAX_TEXT_LENGTH, VERBS, CommandMessage
from lark_provider.protocol.errors import InvalidRequestError

Verb: TypeAlias = Literal["run", "status", "runs", "help"]
_CLOSING = {"'": "'", '"': '"', "“": "”", "‘": "’"}  # noqa: RUF001 - what phones and input methods type
"""Each quotation mark, and the one that closes it."""
_MAX_WORDS = 50


@dataclass(frozen=True, slots=True)
class Typed:
    """A command, read.

    Attributes:
        verb: What to do.
        words: What follows it.
    """

    verb: Verb
    words: tuple[str, ...]


def read_command(text: str) -> Typed:
    """Read a command.

    Args:
        text: Without mentions before it, e.g. `/run etl "two words"`.

    Raises:
        InvalidRequestError: It is too long, or a quotation has no end, or it is not a command.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidRequestError(
            f"A command must have at most {MAX_TEXT_LENGTH} characters, got more. Next: shorten it."
        )
    words = split(text)
    verb = words[0].removeprefix("/").lower() if words and words[0].startswith("/") else ""
    if verb not in VERBS:
        raise InvalidRequestError(
            f"A command must be one of {', '.join('/' + known_verb for known_verb in VERBS)}, got "
            f"{words[0][:40] if words else 'nothing'!r}. Next: send /help."
        )
    if len(words) > _MAX_WORDS:
        raise InvalidRequestError(
            f"A command must have at most {_MAX_WORDS} words, got {len(words)}. Next: quote texts with "
            "spaces."
        )
    return Typed(cast("Verb", verb), tuple(words[1:]))


def read_typed(message: CommandMessage, bot_id: str) -> Typed:
    """Read a command with names in place of mentions.

    Args:
        message: The message.
        bot_id: The open_id of the bot, which is left out.

    Raises:
        InvalidRequestError: As for `read_command`.
    """
    typed = read_command(message.get_typed_text())
    return replace(typed, words=message.insert_names(typed.words, bot_id))


def find_dag_to_run(message: CommandMessage, bot_id: str) -> str | None:
    """Return the DAG of which a command starts a run; None if it starts none.

    Args:
        message: The message.
        bot_id: The open_id of the bot.
    """
    try:
        typed = read_typed(message, bot_id)
    except InvalidRequestError:
        return None
    is_run = typed.verb == "run" and bool(typed.words) and is_dag_id(typed.words[0])
    return typed.words[0] if is_run else None


def split(text: str) -> list[str]:
    r"""Split a text into words as a shell does: '…' is literal, in "…" and outside `\` escapes one character.

    Curly quotation marks, which phones type, are like the straight ones.

    Args:
        text: The text.

    Raises:
        InvalidRequestError: A quotation has no end, or the text ends with a backslash.
    """
    words: list[str] = []
    word: list[str] | None = None
    signs = iter(text)
    for sign in signs:
        if sign.isspace():
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None else word
        if sign in _CLOSING:
            word += _read_quoted(sign, signs)
        elif sign == "\\":
            word.append(_read_next(signs, "\\"))
        else:
            word.append(sign)
    if word is not None:
        words.append("".join(word))
    return words


def _read_quoted(opening: str, signs: Iterator[str]) -> Iterator[str]:
    closing, escapes = _CLOSING[opening], opening in {'"', "“"}
    while (sign := _read_next(signs, opening)) != closing:
        if escapes and sign == "\\":
            following = _read_next(signs, opening)
            yield following if following in {closing, "\\"} else sign + following
        else:
            yield sign


def _read_next(signs: Iterator[str], opened: str) -> str:
    sign = next(signs, None)
    if sign is None:
        raise InvalidRequestError(
            f"A quotation must end, got one that begins with {opened} and does not. Next: close it, or put a "
            "backslash in front."
        )
    return sign
