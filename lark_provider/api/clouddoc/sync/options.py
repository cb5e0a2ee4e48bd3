"""The settings of a sync, checked before anything is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.clouddoc.loads.leasing import LEASE_SECONDS, WAIT_SECONDS
from lark_provider.api.clouddoc.rejects import OnBadRow, check_limit
from lark_provider.api.clouddoc.searches import SearchCondition
from lark_provider.api.clouddoc.sync.keys import KeyForm, check_names
from lark_provider.api.clouddoc.sync.plan import SyncResult
from lark_provider.api.contact import UserIdType
from lark_provider.protocol.arguments import check_choice, check_seconds
from lark_provider.protocol.errors import InvalidRequestError

SyncMode: TypeAlias = Literal["upsert", "mirror", "insert_missing"]
OnMissing: TypeAlias = Literal["delete", "mark"]
OnDuplicate: TypeAlias = Literal["keep_oldest", "error"]
OnNull: TypeAlias = Literal["clear", "keep"]


def check_links(links: object) -> dict[str, str]:
    """Return `links` as a dict.

    Args:
        links: What the caller passed; None for none.

    Raises:
        InvalidRequestError: It is not a mapping, or contains something other than names.
    """
    if links is None:
        return {}
    if not isinstance(links, Mapping):
        raise InvalidRequestError(
            f"links must be a dict of key fields of the other tables by link field, got {links!r}. Next: "
            "write it as {'Customer': 'Name'}."
        )
    if wrong := [name for pair in links.items() for name in pair if not isinstance(name, str)]:
        raise InvalidRequestError(
            f"links must name fields, got {wrong[0]!r}. Next: write it as {{'Customer': 'Name'}}."
        )
    return dict(links)


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The settings of one sync; see `procedure.sync`."""

    key_fields: Sequence[str]
    mode: SyncMode
    scope: Sequence[SearchCondition] | None
    on_missing: OnMissing
    mark: Mapping[str, Any] | None
    max_deletes: float
    on_duplicate: OnDuplicate
    on_null: OnNull
    key_form: KeyForm
    on_bad_row: OnBadRow
    max_rejects: int
    only_rows: frozenset[int] | None
    links: Mapping[str, str]
    strict_options: bool
    empty_as_none: bool
    allow_empty_table: bool
    user_id_type: UserIdType
    zone: str | dt.tzinfo | None
    table_wait: float = WAIT_SECONDS
    token_window: float = 300.0
    settle_after: float = 90.0
    """Seconds after which no request is in flight any more."""
    lease_seconds: float = LEASE_SECONDS
    on_progress: Callable[[SyncResult], None] | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InvalidRequestError: One is invalid.
        """
        for name, kind in (
            ("mode", SyncMode),
            ("on_missing", OnMissing),
            ("on_duplicate", OnDuplicate),
            ("on_null", OnNull),
            ("on_bad_row", OnBadRow),
        ):
            check_choice(name, getattr(self, name), get_args(kind))
        object.__setattr__(self, "key_fields", check_names(self.key_fields))
        if (
            isinstance(self.max_deletes, bool)
            or not isinstance(self.max_deletes, int | float)
            or not self.max_deletes >= 0
            or (isinstance(self.max_deletes, float) and self.max_deletes > 1)
        ):
            raise InvalidRequestError(
                f"max_deletes must be a share of the table, a float from 0 to 1, or a number of records, an "
                f"int, got {self.max_deletes!r}. Next: pass 0.1 for a tenth of the table, or 50 "
                "for 50 records."
            )
        for name in ("table_wait", "token_window", "settle_after"):
            check_seconds(name, getattr(self, name))
        check_limit(self.max_rejects)
        if self.on_progress is not None and not callable(self.on_progress):
            raise InvalidRequestError(
                f"on_progress must be a function, got {self.on_progress!r}. Next: pass a function that takes "
                "a SyncResult."
            )
        if (self.on_missing == "mark") != bool(self.mark):
            raise InvalidRequestError(
                f"mark must be given with on_missing='mark' and only then, got {self.mark!r} with "
                f"{self.on_missing!r}. Next: pass the values to write, such as mark={{'Gone': True}}."
            )
        empty = [(name, value) for name, value in (self.mark or {}).items() if value in (None, "", [], {})]
        if empty:
            name, value = empty[0]
            raise InvalidRequestError(
                f"mark must have a value for each field, got {value!r} for {name!r}. Next: pass what a "
                "record that is missing is to show there, such as True."
            )
        if self.only_rows is not None and self.mode == "mirror":
            raise InvalidRequestError(
                "mode='mirror' must see the whole source, and retry_rejects leaves most of it out. Next: use "
                "mode='upsert' for the rows of the file."
            )

    @property
    def removes(self) -> bool:
        """Whether records that are missing in the source are deleted or marked."""
        return self.mode == "mirror"

    @property
    def marks(self) -> Mapping[str, Any]:
        """The values that are written to records that are missing in the source."""
        return self.mark if self.removes and self.mark else {}

    @property
    def may_delete_all(self) -> bool:
        """Whether all records may be deleted, which only the share 1.0 allows, and no number of records."""
        return isinstance(self.max_deletes, float) and self.max_deletes >= 1

    def exceeds_max_deletes(self, deletes: int, records: int) -> bool:
        """Return whether more records would be deleted or marked than is allowed.

        Args:
            deletes: How many records would be deleted or marked.
            records: How many records the table has, or its scope.
        """
        if isinstance(self.max_deletes, int):
            return deletes > self.max_deletes
        share = Fraction(repr(float(self.max_deletes)))  # as it is written: 0.29 of 100 are 29
        return deletes > share * records
