"""Find out whether a table's fields have changed while records are being written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lark_provider.api.clouddoc.conversion import read_fields
from lark_provider.api.clouddoc.fields import Field
from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.operations import Procedure


@dataclass(slots=True)
class FieldCheck:
    """Compares the fields of a table with an earlier state of them.

    Attributes:
        app_token: The base.
        table_id: The table.
        fields: The fields by which the values were converted.
        names: The names of the fields in use.
    """

    app_token: str
    table_id: str
    fields: Sequence[Field]
    names: Iterable[str]

    def require_unchanged(self) -> Procedure[None]:
        """Read the fields again.

        Raises:
            ConflictError: One that is in use has another name, type or id.
        """
        now = yield from read_fields(self.app_token, self.table_id)
        before = {field["field_name"]: (field["type"], field.get("field_id")) for field in self.fields}
        after = {field["field_name"]: (field["type"], field.get("field_id")) for field in now}
        changed = sorted(name for name in self.names if before.get(name) != after.get(name))
        if changed:
            raise ConflictError(
                f"The field {changed[0]!r} was changed while its values were written. Next: run again; "
                "values are converted by the fields as they are then.",
                retryable=True,
            )
