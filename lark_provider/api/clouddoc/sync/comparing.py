"""Compare records of the table with rows of the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.sync.canonical import EXACT
from lark_provider.api.clouddoc.sync.keys import KeyBuilder
from lark_provider.api.clouddoc.sync.layout import SyncLayout
from lark_provider.api.clouddoc.sync.slices import feed_records
from lark_provider.protocol.sync_index import MARKED, Difference, ScannedRecord, SyncIndex


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares by key, and then by the canonical values of the fields that a row names.

    Attributes:
        keys: Makes keys.
        layout: Numbers the compared fields.
        compares: Whether values are compared; else only keys are.
    """

    keys: KeyBuilder
    layout: SyncLayout
    compares: bool
    marks: Mapping[str, Any] = field(default_factory=dict)
    """The values, as they are written, that mark a record as missing in the source."""

    def see_page(self, data: Mapping[str, Any], index: SyncIndex) -> dict[str, Any]:
        """Add the records of a page to the index.

        Args:
            data: The page, its items parsed or in slices.
            index: Holds the source.

        Returns:
            The page without its items.

        Raises:
            orjson.JSONDecodeError: The answer is not JSON.
        """
        # Records that are seen twice are replaced.
        return feed_records(data, lambda records: self.see(records, index))

    def see(self, records: Sequence[Mapping[str, Any]], index: SyncIndex) -> None:
        """Add records to the index, with the values of those that differ from their row.

        Args:
            records: As search and batch_get return them.
            index: Holds the source.
        """
        if not records:
            return
        fields: list[Mapping[str, Any]] = [record.get("fields") or {} for record in records]
        keys = self.keys.of_table(fields)
        rows, row_shapes, digests = zip(*index.look_up(keys), strict=True)
        marked = self.layout.make_shape(dict.fromkeys(self.marks, EXACT)) if self.marks else None
        shapes = [marked if row is None else shape for row, shape in zip(rows, row_shapes, strict=True)]
        if not self.compares:
            shapes = [None] * len(records)
        vectors = self.layout.make_vectors(shapes, fields, written=False)
        encoded = [None if vector is None else orjson.dumps(vector) for vector in vectors]
        values = [
            None if vector_json is None or hash(vector_json) == digest else vector_json
            for vector_json, digest in zip(encoded, digests, strict=True)
        ]
        if marked:
            (mark,) = self.layout.make_vectors([marked], [self.marks], written=True)
            for position, row in enumerate(rows):
                if row is None:
                    values[position] = MARKED if vectors[position] == mark else None
        ids = [record["record_id"] for record in records]
        # Plain tuples: making a million named ones takes half a second.
        index.see(cast("list[ScannedRecord]", list(zip(ids, keys, rows, values, strict=True))))

    def list_changes(self, differences: Sequence[Difference]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return for each record the cells that differ: as they are, and as they are to be written.

        Equal digests mean equal values, but not the other way round: 0.0 and -0.0 are one number.

        Args:
            differences: Records and their rows.
        """
        rows = [orjson.loads(difference.wire) for difference in differences]
        wanted = self.layout.make_vectors(
            [difference.shape for difference in differences], rows, written=True
        )
        changes = []
        for difference, row, vector in zip(differences, rows, wanted, strict=True):
            before: dict[str, Any] = {}
            after: dict[str, Any] = {}
            columns = self.layout.columns(difference.shape)
            for column, new, old in zip(columns, vector or (), orjson.loads(difference.values), strict=True):
                # As JSON, for a vector that was not stored may hold tuples.
                if new != old:
                    before[column.name] = old
                    after[column.name] = to_send(column.type, row[column.name])
            changes.append((before, after))
        return changes

    def to_create(self, wire: bytes) -> dict[str, Any]:
        """Return a row as it is sent to create a record, without its empty cells."""
        row: dict[str, Any] = orjson.loads(wire)
        return {
            name: to_send(self.layout.types[name], value) for name, value in row.items() if value is not None
        }


def to_send(field_type: int, value: Any) -> Any:
    """Return a cell as it is sent: an attachment without the name and size that it is compared by."""
    if field_type == types.ATTACHMENT and value:
        return [{"file_token": attachment["file_token"]} for attachment in value]
    return value
