"""Findings of a check of a card: an error that names the place, or a warning in the log.

Warnings are log records, not Python `warnings`: the log of a task or service shows them with the place in the
card, and `-W error` in a program must not turn a card that Lark accepts into a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

# A process that sends many cards of one kind would fill its log with the same warning.
_logged = Once()


class Doubt(NamedTuple):
    """Something that Lark may refuse or ignore; the card is sent nevertheless.

    Attributes:
        path: The place in the card, e.g. `body.elements[0].name`.
        what: What is doubtful, without the place.
        step: What to do about it.
    """

    path: str
    what: str
    step: str


def log(doubts: Iterable[Doubt]) -> None:
    """Log each doubt at WARNING, the same kind of doubt only once in each process."""
    for doubt in doubts:
        if _logged.mark_first((doubt.path.rpartition(".")[2], doubt.what)):
            logger.warning(
                "Card may not be shown as intended",
                extra={"card_path": doubt.path, "reason": doubt.what, "next_step": doubt.step},
            )


def make_refusal_error(path: str, what: str, step: str) -> InvalidRequestError:
    """Make the error for a card that Lark refuses, with the code that Lark would answer (230099)."""
    return InvalidRequestError(f"The card's {path} {what}. Next: {step}.", code=230099)


def join(path: str, name: str) -> str:
    """Return the path of a property."""
    return f"{path}.{name}" if path else name


def require_object(value: Any, path: str) -> Mapping[str, Any]:
    """Return an object, or refuse a value of another type."""
    if not isinstance(value, Mapping):
        raise make_refusal_error(path, f"must be an object, got {type(value).__name__}", "pass a dict")
    return value


def iterate_items(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Iterate over a list with each item's path, or refuse a value of another type."""
    if not isinstance(value, (list, tuple)):
        raise make_refusal_error(path, f"must be a list, got {type(value).__name__}", "pass a list")
    return ((item, f"{path}[{index}]") for index, item in enumerate(value))


def only_once(seen: dict[str, str], value: str, path: str) -> None:
    """Refuse a value that has already occurred in the card."""
    first = seen.setdefault(value, path)
    if first is not path:
        raise make_refusal_error(path, f"must be unique, got {value!r}, as in {first}", "give each its own")
