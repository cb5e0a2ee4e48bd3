"""What operators on spreadsheets share: the worksheet, its link, and with whom it is shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.links import LarkSheetLink, make_sheet_url
from lark_provider.hooks.templates import is_output
from lark_provider.operators.base import LarkOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink

    from lark_provider.api.clouddoc.drive.people import Share
    from lark_provider.api.clouddoc.sheets.targets import SheetRef
    from lark_provider.hooks.lark import LarkHook

Shares: TypeAlias = "str | Sequence[str | Sequence[str] | Mapping[str, str] | Share]"
"""Whom to share with: ids for `view`, or pairs of id and role."""


class SheetOperator(LarkOperator):
    """Hold a worksheet, and link to its spreadsheet from the task.

    Args:
        sheet: The spreadsheet's link or token.
        worksheet: Its title, its id, or its index from 0; None for the one that the link names, else the
            first.
    """

    operator_extra_links: tuple[BaseOperatorLink, ...] = (LarkSheetLink(),)
    sheet_link = ""

    def __init__(
        self, *, sheet: str | None = None, worksheet: str | int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sheet = sheet
        self.worksheet = worksheet

    def _make_ref(self) -> SheetRef:
        """Return the worksheet, as the client takes it."""
        from lark_provider.api.clouddoc.sheets.targets import SheetRef

        return SheetRef(self.sheet or "", self.worksheet)

    def _make_sheet_url(self) -> str:
        return make_sheet_url(self.hook.client.base_url, self.sheet or "", self.hook.web_domain)

    def _make_dataset(self, link: str) -> Any:
        """Return a spreadsheet as OpenLineage names it.

        Args:
            link: Its link or token.
        """
        from airflow.providers.common.compat.openlineage.facet import Dataset

        from lark_provider.api import links

        name = links.parse(link).token if "://" in link else link
        return Dataset(namespace=f"lark://{urlsplit(self.hook.client.base_url).netloc}", name=name)


def check_shares(share_with: Shares) -> None:
    """Check the form of the argument `share_with` when the DAG is parsed.

    Outputs of other tasks are not known before the task runs; `make_shares` checks them.

    Args:
        share_with: The argument, as a DAG passes it.

    Raises:
        InvalidRequestError: It has another form.
    """
    if is_output(share_with):
        return
    for pair in _list_pairs(share_with):
        if not all(isinstance(part, str) or is_output(part) for part in pair):
            raise _make_shape_error(pair)


def make_shares(share_with: Shares, hook: LarkHook) -> list[Share]:
    """Return with whom to share; names of the connection's receivers are replaced by their ids.

    Where the connection redirects all messages, its one receiver gets the roles as well: a test then shows
    nothing to people.

    Args:
        share_with: The people and their roles, as a DAG passes them to an operator.
        hook: The hook of the Lark connection whose receivers may be named.

    Raises:
        InvalidRequestError: It has another form.
    """
    from lark_provider.api.clouddoc.drive.people import Share

    pairs = _list_pairs(share_with)
    for pair in pairs:
        if not all(isinstance(part, str) for part in pair):
            raise _make_shape_error(pair)
    return [Share(hook.receiver(who).id, role) for who, role in pairs]


def _list_pairs(share_with: Any) -> list[tuple[Any, Any]]:
    if isinstance(share_with, Mapping) or not isinstance(share_with, str | Sequence):
        raise _make_shape_error(share_with)
    shares = [share_with] if isinstance(share_with, str) else share_with
    return [_pair(share) for share in shares]


def _pair(share: Any) -> tuple[Any, Any]:
    if isinstance(share, str) or is_output(share):
        return share, "view"
    if isinstance(share, Mapping):
        if not share.keys() <= {"who", "role"} or "who" not in share:
            raise _make_shape_error(share)
        return share["who"], share.get("role", "view")
    if isinstance(share, Sequence):
        if len(share) != len(("who", "role")):
            raise _make_shape_error(share)
        return share[0], share[1]
    if not hasattr(share, "who"):
        raise _make_shape_error(share)
    return share.who, share.role


def _make_shape_error(value: object) -> InvalidRequestError:
    return InvalidRequestError(
        f"share_with must list ids, or pairs of id and role, got {str(value)[:120]!r}. Next: write "
        '[("ou_…", "edit"), ("team@example.com", "view"), "oc_…"].'
    )
