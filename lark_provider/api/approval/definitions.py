"""Definitions of approvals, and the subscriptions to events about their instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.approval.widgets import Widget, parse_form
from lark_provider.protocol.arguments import check_choice, check_seconds
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import Memoize
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    OutcomeUnknownError,
    find_refusal,
)
from lark_provider.protocol.operations import Procedure, memoize, perform
from lark_provider.protocol.paths import fill_path

Locale: TypeAlias = Literal["zh-CN", "en-US", "ja-JP"]
_ALREADY = 1390007
_FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Node:
    """A step of an approval.

    Attributes:
        id: Lark's id.
        custom_id: The id that the definition's author gave it, or empty.
        name: The name that people see.
        type: `AND`, `OR`, `SEQUENTIAL` or `CC_NODE`.
        needs_approver: Whether the submitter chooses the approvers of this step.
    """

    id: str
    custom_id: str
    name: str
    type: str
    needs_approver: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of an approval: its form and its steps.

    Attributes:
        code: The approval_code.
        name: The name that people see.
        status: `ACTIVE`, `INACTIVE`, `DELETED` or `UNKNOWN`.
        widgets: The form.
        nodes: The steps.
        raw: Lark's answer, unchanged.
    """

    code: str
    name: str
    status: str
    widgets: tuple[Widget, ...]
    nodes: tuple[Node, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)


def check_code(code: str, what: str = "approval_code") -> str:
    """Check the code of a definition or an instance, and return it without surrounding white space.

    Args:
        code: What a caller passed.
        what: Its name, for the error's text.

    Raises:
        InvalidRequestError: It is not a non-empty string.
    """
    if not (isinstance(code, str) and code.strip()):
        raise InvalidRequestError(
            f"{what} must be a non-empty string, got {code!r}. Next: take it from the address of the page "
            "in the approval console (definitionCode=…), or from what created the instance.",
            code=1390001,
        )
    return code.strip()


def get_definition(
    approval_code: str, *, locale: Locale = "zh-CN", max_age: float = _FRESH_SECONDS
) -> Procedure[Definition]:
    """Read the definition of an approval: its form and its steps.

    See GET /open-apis/approval/v4/approvals/:approval_code. Lark has no list of definitions: the code is in
    the address of the definition's page in the approval console, as `definitionCode`.

    Args:
        approval_code: The code.
        locale: The language of names and options.
        max_age: Maximum age of a cached answer, in seconds; 0 asks Lark again.

    Returns:
        The definition with its form and steps.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such definition in the app's tenant.
        PermissionDeniedError: The app lacks the scope, or access to this definition's data.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    code = check_code(approval_code)
    check_choice("locale", locale, get_args(Locale), 1390001)
    check_seconds("max_age", max_age)

    def read() -> Procedure[Definition]:
        params = {"locale": locale, "with_option": "true"}
        url = fill_path("/approval/v4/approvals/{approval_code}", approval_code=code)
        call: Call[Any] = make_request("GET", url, params=params)
        return _read_definition(code, (yield from perform(call)).data)

    return (yield from memoize(Memoize(("approval", code, locale), read, max_age)))


def _read_definition(code: str, data: Mapping[str, Any]) -> Definition:
    nodes = data.get("node_list") or ()
    return Definition(
        code,
        str(data.get("approval_name") or ""),
        str(data.get("status") or "UNKNOWN"),
        parse_form(data.get("form") or "[]"),
        tuple(
            Node(
                str(node.get("node_id") or ""),
                str(node.get("custom_node_id") or ""),
                str(node.get("name") or ""),
                str(node.get("node_type") or ""),
                bool(node.get("need_approver")),
            )
            for node in nodes
        ),
        data,
    )


def subscribe(approval_code: str) -> Procedure[bool]:
    """Have Lark send this app events about all instances of an approval; a repeat does no harm.

    See POST /open-apis/approval/v4/approvals/:approval_code/subscribe. Events also need the event in the
    console, a published version of the app and the scope.

    Args:
        approval_code: The code.

    Returns:
        Whether the subscription is new: False if the app was already subscribed. True as well if the answer
        was lost and a retry learns that the app is subscribed.

    Raises:
        InvalidRequestError: The code is invalid; nothing was sent.
        NotFoundError: There is no such definition.
        PermissionDeniedError: The app lacks the scope.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    return (yield from _switch(approval_code, "subscribe"))


def unsubscribe(approval_code: str) -> Procedure[bool]:
    """End the subscription that `subscribe` began; a repeat does no harm.

    See POST /open-apis/approval/v4/approvals/:approval_code/unsubscribe. Errors as for `subscribe`.

    Args:
        approval_code: The code.

    Returns:
        Whether the app was subscribed. True as well if the answer was lost and a retry learns that it is not.
    """
    return (yield from _switch(approval_code, "unsubscribe"))


def _switch(approval_code: str, verb: str) -> Procedure[bool]:
    url = fill_path(
        f"/approval/v4/approvals/{{approval_code}}/{verb}", approval_code=check_code(approval_code)
    )
    call: Call[Any] = make_request("POST", url, json={}, idempotent=True)
    try:
        yield from perform(call)
    except ConflictError as error:
        if error.code != _ALREADY:
            raise
        return False
    except OutcomeUnknownError as unknown:
        refused = find_refusal(unknown)
        if not (isinstance(refused, ConflictError) and refused.code == _ALREADY):
            raise
    return True
