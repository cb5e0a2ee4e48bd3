"""Look users up in the cache, and in Lark where the cache has no recent answer."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lark_provider.protocol.arguments import check_seconds
from lark_provider.protocol.effects import CachedAnswer, CacheGet, CachePut
from lark_provider.protocol.errors import InvalidRequestError, LarkError
from lark_provider.protocol.operations import Procedure

logger = logging.getLogger(__name__)

DAY = 24 * 3600.0
UNKNOWN_SECONDS = 300.0
"""How long an unknown user stays cached as unknown: short, so that a new colleague is soon found."""
BATCH = 50
"""Users in one request."""
_SLICE = 1000  # users in one statement to the database; cached even if a later slice fails


@dataclass(frozen=True, slots=True)
class By:
    """What users are looked up by.

    Attributes:
        name: Lark's name for it.
        shape: The pattern of what is sent to Lark.
        example: A description for the error's text.
        written: Converts a value to what is sent to Lark.
        compared: Converts what is sent, or what Lark answers, to the form in which both are compared.
    """

    name: str
    shape: re.Pattern[str]
    example: str
    written: Callable[[str], str] = str.strip
    compared: Callable[[str], str] = str

    def check(self, value: object) -> str:
        """Return a value in the form that is sent to Lark.

        Raises:
            InvalidRequestError: It does not match the pattern.
        """
        written = self.written(value) if isinstance(value, str) else ""
        if not self.shape.fullmatch(written):
            text = (
                f"{self.name} must be {self.example}, got {value!r}. Next: pass it alone, without a name or "
                "other text."
            )
            raise InvalidRequestError(text, code=40001)
        return written


def look_up(
    values: str | Iterable[str],
    by: By,
    kind: str,
    fetch: Callable[[list[str]], Procedure[dict[str, Any]]],
    max_age: float,
    max_stale_age: float = math.inf,
) -> Procedure[dict[str, Any]]:
    """Look users up, each of them once, even if several values denote the same user.

    Args:
        values: What the users are looked up by.
        by: The kind of the values.
        kind: The kind of cache entry.
        fetch: Makes the request for at most 50; a user that is missing in its answer is unknown.
        max_age: Maximum age of a cached answer, in seconds.
        max_stale_age: Maximum age of one that is used while Lark cannot be asked, in seconds.

    Returns:
        The answer for each value, None for an unknown user.

    Raises:
        InvalidRequestError: An argument is invalid.
        LarkError: A request failed, and the cache has no older answer that may be used.
    """
    if not isinstance(values, Iterable):
        text = f"{by.name}s must be a list of strings, got {values!r}. Next: put it in brackets."
        raise InvalidRequestError(text, code=40001)
    if not isinstance(max_age, int | float) or not max_age >= 0:
        text = f"max_age must be seconds, 0 or more, got {max_age!r}. Next: pass 0 to ask Lark again."
        raise InvalidRequestError(text, code=40001)
    check_seconds("max_stale_age", max_stale_age)
    written = {value: by.check(value) for value in ([values] if isinstance(values, str) else values)}
    wanted: dict[str, str] = {}
    for form in written.values():
        wanted.setdefault(by.compared(form), form)
    answers = yield from _look_up(kind, wanted, fetch, max_age, max_stale_age)
    return {value: answers[by.compared(form)] for value, form in written.items()}


def _look_up(
    kind: str,
    wanted: Mapping[str, str],
    fetch: Callable[[list[str]], Procedure[dict[str, Any]]],
    max_age: float,
    max_stale_age: float,
) -> Procedure[dict[str, Any]]:
    known: dict[str, Any] = {}
    failure: LarkError | None = None
    expired = 0
    for part in _split_list(list(wanted), _SLICE):
        seen: dict[str, CachedAnswer] = yield CacheGet(kind, part)
        known |= {lookup: cached.value for lookup, cached in seen.items() if _is_fresh(cached, max_age)}
        learned: dict[str, Any] = {}
        for batch in _split_list([lookup for lookup in part if lookup not in known], BATCH):
            if failure is not None:
                break
            try:
                answers = yield from fetch([wanted[lookup] for lookup in batch])
            except LarkError as error:
                failure = error
            else:
                learned |= {lookup: answers.get(lookup) for lookup in batch}
        if learned:
            known |= learned
            yield CachePut(
                kind,
                {
                    lookup: (value, UNKNOWN_SECONDS if value is None else DAY)
                    for lookup, value in learned.items()
                },
            )
        if failure is not None:
            rest = [lookup for lookup in part if lookup not in known]
            # An unknown user may have been registered since, so an expired negative entry is not used.
            old = {
                lookup: seen[lookup].value
                for lookup in rest
                if lookup in seen and seen[lookup].value is not None and seen[lookup].age <= max_stale_age
            }
            if not failure.retryable or len(old) < len(rest):
                raise failure
            known |= old
            expired += len(old)
    if failure is not None:
        fields = {"entries": expired, "error": str(failure)}
        logger.warning("User lookup failed; using expired cache entries", extra=fields)
    return known


def _is_fresh(seen: CachedAnswer, max_age: float) -> bool:
    return seen.age < (max_age if seen.value is not None else min(max_age, UNKNOWN_SECONDS))


def _split_list(whole: list[str], size: int) -> list[list[str]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]
