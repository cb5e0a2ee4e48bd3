"""Scan a table page by page, and find out whether the scan is complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.operations import Page, Procedure

logger = logging.getLogger(__name__)

MAX_SCANS: Final = 3
"""How often a table is scanned until a scan is complete."""


@dataclass(slots=True)
class Scan:
    """The pages of one scan.

    Attributes:
        next_token: The token of the next page; None for the first one, and after the last one.
        pages: How many pages were read.
        total: How many records Lark counted, as the last page says; None if it does not say.
        problem: Why the scan cannot go on; empty if nothing is wrong.
    """

    next_token: str | None = None
    pages: int = 0
    total: int | None = None
    problem: str = ""
    _seen_tokens: set[str] = field(default_factory=set)

    def read_page(
        self,
        read: Callable[[str | None], Procedure[dict[str, Any]]],
        add_records: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Procedure[bool]:
        """Read the next page, and add its records to the index.

        Args:
            read: Reads the page with a token; None for the first one.
            add_records: Adds the records of a page to the index, and returns the page without them.

        Returns:
            Whether there is a further page that can be read.
        """
        data = yield from read(self.next_token)
        try:
            data = yield from work(add_records, data)
        except orjson.JSONDecodeError as error:
            self.problem = f"a page is not JSON: {error}"
            return False
        return self._find_next(data)

    def _find_next(self, data: Mapping[str, Any]) -> bool:
        """Count a page, and return whether there is a further one that can be read."""
        total = data.get("total")
        self.total = total if isinstance(total, int) else None
        self.pages += 1
        try:
            self.next_token = Page.of(data).next_token
        except LarkAPIError as error:  # there are more pages, but no token to read them with
            self.problem = str(error)
            return False
        if self.next_token is None:
            return False
        if self.next_token in self._seen_tokens:
            self.problem = f"Lark named the page {self.next_token!r} a second time"
            return False
        self._seen_tokens.add(self.next_token)
        return True

    def find_problem(self, seen: int) -> str:
        """Return what is wrong with the scan; empty if it is complete.

        Args:
            seen: How many records it has seen, each counted once.
        """
        if self.problem or self.total is None or seen >= self.total:
            return self.problem
        return f"{seen} of {self.total} records were seen"


def log_incomplete(attempt: int, problem: str) -> None:
    """Log that a scan was not complete.

    Args:
        attempt: Its number, from 0.
        problem: What is wrong with it.
    """
    fields = {"attempt": attempt + 1, "reason": problem}
    logger.warning("Table scan incomplete; scanning again", extra=fields)


def make_incomplete_error(table: str, problem: str) -> LarkAPIError:
    """Return the error for a table of which no scan was complete.

    Args:
        table: What the error calls the table, at the beginning of a sentence.
        problem: What is wrong with the last scan.
    """
    return LarkAPIError(
        f"{table} cannot be read completely: {problem}, in {MAX_SCANS} scans. Nothing was written. Next: run "
        "again when fewer people change the table.",
        retryable=True,
    )
