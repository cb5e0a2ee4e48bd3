"""Ask Lark about people once, and remember its answers for everybody who asks."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lark_provider.protocol.calls import KeepPeople, KnownPeople, Procedure, Seen
from lark_provider.protocol.errors import InvalidRequestError, LarkError

logger = logging.getLogger(__name__)

DAY = 24 * 3600.0
UNKNOWN_SECONDS = 300.0
"""For how long nobody stays nobody: a new colleague is soon reachable, a loop over strangers asks once."""
BATCH = 50
"""How many Lark looks up at once."""
_SLICE = 1000  # asked of a database in one statement, and kept even if a later slice fails


@dataclass(frozen=True, slots=True)
class By:
    """What people are looked up by.

    Attributes:
        name: Lark's name for it.
        shape: What it looks like once it is written for Lark.
        example: The same for people, in an error's text.
        written: Writes it for Lark.
        compared: Turns what was written, or what Lark answers, into the one form in which it is compared.
    """

    name: str
    shape: re.Pattern[str]
    example: str
    written: Callable[[str], str] = str.strip
    compared: Callable[[str], str] = str

    def checked(self, asked: object) -> str:
        """What somebody is asked for by, written for Lark.

        Raises:
            InvalidRequestError: It cannot be one.
        """
        written = self.written(asked) if isinstance(asked, str) else ""
        if not self.shape.fullmatch(written):
            raise InvalidRequestError(f"{self.name} is {asked!r}. Next: pass {self.example}.", code=40001)
        return written


def look_up(
    asked: str | Iterable[str],
    by: By,
    kind: str,
    ask: Callable[[list[str]], Procedure[dict[str, Any]]],
    max_age: float,
) -> Procedure[dict[str, Any]]:
    """Look people up: each once, however often and in whatever form they are asked for.

    Args:
        asked: By what they are looked up.
        by: What that is.
        kind: Names what is kept.
        ask: Asks Lark, of at most 50; who is missing in its answer is nobody.
        max_age: How old a kept answer may be.
    """
    if not isinstance(asked, Iterable):
        raise InvalidRequestError(f"{by.name}s is {asked!r}. Next: pass a list of them.", code=40001)
    if not isinstance(max_age, int | float) or not max_age >= 0:
        raise InvalidRequestError(f"max_age is {max_age!r}. Next: pass seconds, 0 or more.", code=40001)
    written = {one: by.checked(one) for one in ([asked] if isinstance(asked, str) else asked)}
    wanted: dict[str, str] = {}
    for form in written.values():
        wanted.setdefault(by.compared(form), form)
    found = yield from _kept_or_asked(kind, wanted, ask, max_age)
    return {one: found[by.compared(form)] for one, form in written.items()}


def _kept_or_asked(
    kind: str,
    wanted: Mapping[str, str],
    ask: Callable[[list[str]], Procedure[dict[str, Any]]],
    max_age: float,
) -> Procedure[dict[str, Any]]:
    found: dict[str, Any] = {}
    trouble: LarkError | None = None
    late = 0
    for part in _parts(list(wanted), _SLICE):
        seen: dict[str, Seen] = yield KnownPeople(kind, part)
        found |= {lookup: one.value for lookup, one in seen.items() if _is_fresh(one, max_age)}
        learned: dict[str, Any] = {}
        for batch in _parts([lookup for lookup in part if lookup not in found], BATCH):
            if trouble is not None:
                break
            try:
                answers = yield from ask([wanted[lookup] for lookup in batch])
            except LarkError as error:
                trouble = error
            else:
                learned |= {lookup: answers.get(lookup) for lookup in batch}
        if learned:
            found |= learned
            yield KeepPeople(
                kind,
                {one: (value, UNKNOWN_SECONDS if value is None else DAY) for one, value in learned.items()},
            )
        if trouble is not None:
            rest = [lookup for lookup in part if lookup not in found]
            # Who was nobody yesterday may be somebody today: that is no answer.
            old = {one: seen[one].value for one in rest if one in seen and seen[one].value is not None}
            if not trouble.retryable or len(old) < len(rest):
                raise trouble
            found |= old
            late += len(old)
    if trouble is not None:
        logger.warning(
            "Lark cannot be asked; people known before (%d) are taken as they were: %s", late, trouble
        )
    return found


def _is_fresh(seen: Seen, max_age: float) -> bool:
    return seen.age < (max_age if seen.value is not None else min(max_age, UNKNOWN_SECONDS))


def _parts(whole: list[str], size: int) -> list[list[str]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]
