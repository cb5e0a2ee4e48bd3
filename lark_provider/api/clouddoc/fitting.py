"""Select the rows of a load: leave out those that do not fit the table, or all that are not named."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from lark_provider.api.clouddoc import rejects
from lark_provider.api.clouddoc.fields import collect_names
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.rejects import Reject

Row: TypeAlias = Mapping[str, Any]
_ROWS_AT_ONCE = 1000


@dataclass(slots=True)
class Fitting:
    """Passes on the rows that fit, and lists the others.

    A load that is called again with the same source leaves out the same rows, and its chunks stay the same.

    Attributes:
        converter: The converter that decides which rows fit; None if all do.
        max_rejects: How many rows may be left out.
        only: The numbers of the rows to pass on, from 1; None for all.
        rejected: What was left out, at most one reason for each field.
    """

    converter: Converter | None
    max_rejects: int
    only: frozenset[int] | None = None
    rejected: list[Reject] = field(default_factory=list)
    _left_out: list[int] = field(default_factory=list)

    def filter_rows(self, source: Iterable[Row] | AsyncIterable[Row]) -> Iterator[Row] | AsyncIterator[Row]:
        """Return the rows that fit.

        Args:
            source: The rows; they are read while the result is iterated.

        Raises:
            InvalidRequestError: `only` names rows beyond the end of the source. This is raised at once for a
                list, and at the end of any other source.
        """
        if isinstance(source, list | tuple):
            rejects.check_within(self.only, len(source))
        return self._filter_async(source) if isinstance(source, AsyncIterable) else self._select_rows(source)

    def get_source_row(self, position: int) -> int:
        """Return the number in the source of a row that was passed on.

        Args:
            position: The row's number among those that were passed on, from 1.
        """
        if self.only is not None:
            return sorted(self.only.difference(self._left_out))[position - 1]
        row = position
        for left_out in self._left_out:
            row += left_out <= row
        return row

    def add(self, new_rejects: Iterable[Reject]) -> None:
        """Add rows that were left out.

        Args:
            new_rejects: The rows to add, each with the reason why it was left out.

        Raises:
            InvalidRequestError: There are too many.
        """
        self.rejected += new_rejects
        if rejects.count_rows(self.rejected) > self.max_rejects:
            raise rejects.make_too_many_error(self.rejected, self.max_rejects)

    def _select_rows(self, source: Iterable[Row]) -> Iterator[Row]:
        rows, number = iter(source), 1
        try:
            while batch := list(islice(rows, _ROWS_AT_ONCE)):
                yield from self._reject_misfits(batch, number)
                number += len(batch)
            rejects.check_within(self.only, number - 1)
        finally:
            if inspect.isgenerator(rows):
                rows.close()

    async def _filter_async(self, source: AsyncIterable[Row]) -> AsyncIterator[Row]:
        batch: list[Row] = []
        number = 1
        async for row in source:
            batch.append(row)
            if len(batch) == _ROWS_AT_ONCE:
                for fitting_row in self._reject_misfits(batch, number):
                    yield fitting_row
                number += len(batch)
                batch = []
        for fitting_row in self._reject_misfits(batch, number):
            yield fitting_row
        rejects.check_within(self.only, number + len(batch) - 1)

    def _reject_misfits(self, rows: list[Row], first: int) -> list[Row]:
        """Add the rows that do not fit to the rejects, and return the others."""
        numbered = list(enumerate(rows, first))
        if self.only is not None:
            numbered = [(number, row) for number, row in numbered if number in self.only]
        if self.converter is None or not numbered:
            return [row for _, row in numbered]
        kept = [row for _, row in numbered]
        _, bad = self.converter.convert_all_to_wire(kept, collect_names(kept))
        new_rejects = [Reject(numbered[misfit.row - 1][0], misfit.field, misfit.reason) for misfit in bad]
        rejected = {reject.row for reject in new_rejects}
        self._left_out += sorted(rejected)
        self.add(new_rejects)
        return [row for number, row in numbered if number not in rejected]
