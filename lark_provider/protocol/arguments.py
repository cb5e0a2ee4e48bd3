"""Check the types of arguments, so that callers without a type checker get an error with the next step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lark_provider.protocol.errors import InvalidRequestError, make_unknown_choice_error
from lark_provider.support.text import is_unicode


def check_str(name: str, value: object, example: str) -> str:
    """Check an argument that must be a str which can be sent, and return it.

    Args:
        name: The argument's name.
        value: What was passed.
        example: What to pass, such as "an open_id (ou_…)".

    Raises:
        InvalidRequestError: It is not a str, or has a lone surrogate, which UTF-8 cannot encode.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be a str, got {value!r:.80}. Next: pass {example}.")
    if not is_unicode(value):
        raise InvalidRequestError(
            f"{name} must be valid Unicode, got {value!r:.80}. Next: remove the lone surrogate."
        )
    return value


def check_bool(name: str, value: object) -> None:
    """Check an argument that must be True or False; 1, 0 and NumPy's booleans are accepted.

    Args:
        name: The argument's name.
        value: What was passed.

    Raises:
        InvalidRequestError: It is something else, such as "false".
    """
    if not (isinstance(value, int) and value in (0, 1)) and type(value).__name__ not in ("bool", "bool_"):
        raise InvalidRequestError(f"{name} must be True or False, got {value!r:.80}. Next: pass one of them.")


def check_choice(name: str, value: object, choices: Collection[str], code: int = 0) -> None:
    """Check an argument that must be one of a few texts.

    Args:
        name: The argument's name.
        value: What was passed.
        choices: The values allowed.
        code: The code that Lark would answer.

    Raises:
        InvalidRequestError: It is none of them.
    """
    if value not in choices:
        raise make_unknown_choice_error(name, value, choices, code)


def check_list(name: str, value: object, example: str) -> list[Any]:
    """Check an argument that must hold several values, and return it as a list.

    Args:
        name: The argument's name.
        value: A list, or another iterable that is neither a str nor bytes.
        example: What to pass, such as "['rec…']".

    Raises:
        InvalidRequestError: It is something else.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InvalidRequestError(f"{name} must be a list, got {value!r:.80}. Next: pass {example}.")
    return list(value)


def check_seconds(name: str, value: object) -> None:
    """Check an argument that must be a number of seconds.

    Args:
        name: The argument's name.
        value: What was passed.

    Raises:
        InvalidRequestError: It is not a number of seconds, or is below 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidRequestError(
            f"{name} must be a number of seconds, got {value!r}. Next: pass 0 or more, such as 30."
        )


def check_texts(name: str, value: object, example: str) -> list[str]:
    """Check an argument that must hold several str, and return it as a list.

    Args:
        name: The argument's name.
        value: A list of str, or another iterable of them.
        example: What to pass, such as "['rec…']".

    Raises:
        InvalidRequestError: It is something else, such as a single str.
    """
    texts = check_list(name, value, example)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise InvalidRequestError(f"{name} must hold str only, got {wrong[0]!r:.80}. Next: pass {example}.")
    return texts


def check_one_or_more(name: str, value: object, example: str) -> list[str]:
    """Check an argument that must be one str or hold several, and return it as a list; see `check_texts`.

    Args:
        name: The argument's name.
        value: A str, or an iterable of them.
        example: What to pass.

    Raises:
        InvalidRequestError: It is something else.
    """
    return [value] if isinstance(value, str) else check_texts(name, value, example)


def check_dict(name: str, value: object, example: str) -> dict[str, Any]:
    """Check an argument that must be a dict with str keys, and return it; an empty dict for None.

    Args:
        name: The argument's name.
        value: What was passed.
        example: What to pass, such as `{"charset": "utf8"}`.

    Raises:
        InvalidRequestError: It is not such a dict.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidRequestError(
            f"{name} must be a dict with str keys, got {value!r:.80}. Next: pass {example}."
        )
    return dict(value)
