"""Create approval instances exactly once, read their state, and withdraw them.

Lark accepts a `uuid` with a new instance, and refuses a second request with the same one. The refusal does
not contain the first instance, so the instance is then read by its uuid.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from lark_provider.api import receivers
from lark_provider.api.approval.definitions import check_code, get_definition
from lark_provider.api.approval.model import Instance, read_instance
from lark_provider.api.approval.values import encode_form
from lark_provider.api.clouddoc.fields import find_zone
from lark_provider.protocol.arguments import check_dict, check_list
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import NewKey, Now
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    get_problem,
)
from lark_provider.protocol.keys import check_key
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

_INVALID = 1390001
_USED = 60012
"""Lark's code for a uuid that already belongs to an instance."""
_INSTANCES = "/approval/v4/instances"
_WINDOW = dt.timedelta(hours=10)
"""The longest span that Lark advises for one listing."""
_PAGE = 100
_CANCEL_TRIES = 3
_FIRST = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)


def create_instance(
    approval_code: str,
    form: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    submitter: str,
    idempotency_key: str | None = None,
    approvers: Mapping[str, Iterable[str]] | None = None,
    copies: Mapping[str, Iterable[str]] | None = None,
    department_id: str | None = None,
    zone: str | dt.tzinfo | None = None,
) -> Procedure[Instance]:
    """Ask for an approval.

    See POST /open-apis/approval/v4/instances. With an `idempotency_key`, a repeated call returns the
    instance that the first one created, even from another process.

    Args:
        approval_code: The code of the approval definition.
        form: Field → value. A field is named by its id, custom_id or visible name; values are Python objects,
            and options may be given by their texts. Alternatively Lark's own list of widgets, which is sent
            unchanged.
        submitter: The person who submits the request: an open_id, user_id, e-mail address or mobile number
            (`+…`).
        idempotency_key: Any text that identifies this request and no other.
        approvers: Step → people, by the same kinds of ids, for steps whose approvers the submitter chooses. A
            step is named by its id, custom id or visible name.
        copies: Step → people who get a copy, in the same form as `approvers`.
        department_id: The submitter's department, if there are several; without it, Lark takes the first.
        zone: The time zone of naive datetimes and of dates, such as "Asia/Shanghai".

    Returns:
        The instance in its current state.

    Raises:
        InvalidRequestError: An argument is invalid, a field is unknown or a value does not fit; nothing was
            created.
        ConflictError: The key was used for another approval or by another person.
        NotFoundError: There is no such definition or person.
        PermissionDeniedError: The app lacks the scope, or access to this definition's data.
        OutcomeUnknownError: No answer came, and the instance could not be looked up by its uuid either; or
            it was created, and could not be read. The text names the instance's code or uuid.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    code = check_code(approval_code)
    uuid = None if idempotency_key is None else compute_instance_uuid(check_key(idempotency_key))
    tz = find_zone(zone)
    if not isinstance(form, Mapping | list | tuple):
        raise InvalidRequestError(
            f"form must be a dict of field and value, got {type(form).__name__}. Next: pass it "
            "as {'Reason': 'Travel'}.",
            code=_INVALID,
        )
    who = yield from receivers.find_person(submitter, "submitter")
    definition = None
    if isinstance(form, Mapping) or approvers or copies:
        definition = yield from get_definition(code)
    if isinstance(form, Mapping):
        assert definition is not None  # noqa: S101 - it was read for the form
        where = f"the form of approval {definition.name or code!r}"
        form = encode_form(definition.widgets, form, tz, where)
    if uuid is None:
        uuid = yield NewKey()
    body = {
        "approval_code": code,
        "form": _encode_form(form),
        "uuid": uuid,
        **_encode_person(who),
        **({} if department_id is None else {"department_id": department_id}),
    }
    for name, by_step in (("node_approver_open_id_list", approvers), ("node_cc_open_id_list", copies)):
        if by_step:
            assert definition is not None  # noqa: S101 - it was read for the people
            body[name] = yield from _assign_people(definition.nodes, by_step)
    call: Call[Any] = make_request(
        "POST", fill_path(_INSTANCES), json=body, idempotent=True, subject=f"approval {code}"
    )
    try:
        answer = yield from perform(call)
    except LarkAPIError as error:
        if error.code != _USED:
            raise
        return (yield from _recover(uuid, code, who, error))
    except OutcomeUnknownError as error:
        return (yield from _recover(uuid, code, who, error))
    created = answer.data["instance_code"]
    try:
        return (yield from get_instance(created))
    except LarkError as error:
        # The read's own error says that nothing was changed, and does not name the instance.
        raise _make_unread_error(f"{created!r} was created", created, error) from error


def _encode_form(form: Sequence[Mapping[str, Any]]) -> str:
    try:
        return orjson.dumps(list(form)).decode()
    except TypeError as error:
        raise InvalidRequestError(
            f"form must hold what JSON can, got: {error}. Next: convert it.", code=_INVALID
        ) from None


def compute_instance_uuid(key: str) -> str:
    """Return the uuid of an instance, derived from a caller's key; it is unique in the tenant, for all apps.

    Args:
        key: The caller's key.
    """
    # Lark takes at most 64 characters and ignores case; a key may be longer, and its case matters.
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _recover(
    uuid: str, code: str, who: receivers.Receiver, error: LarkAPIError | OutcomeUnknownError
) -> Procedure[Instance]:
    """Return the instance that an earlier request created under a uuid."""
    try:
        instance = yield from get_instance(uuid)
    except NotFoundError:
        raise error from None
    except LarkError as failure:
        was_created = "may have been created" if isinstance(error, OutcomeUnknownError) else "was created"
        raise _make_unread_error(f"with uuid {uuid!r} {was_created}", uuid, failure) from failure
    mine = instance.open_id if who.id_type == "open_id" else instance.user_id
    if instance.approval_code.upper() != code.upper() or (mine and mine != who.id):
        raise ConflictError(
            f"idempotency_key must name one approval, and instance {instance.code} has it, of another "
            "definition or another person. Next: pass a key of its own for each request.",
            code=_USED,
        ) from None
    return instance


def _make_unread_error(what: str, reference: str, failure: LarkError) -> OutcomeUnknownError:
    """Return the error for an instance that was created, or may have been, and could not be read.

    Args:
        what: Which instance, and whether it was created.
        reference: The code or uuid by which it can be read later.
        failure: Why it could not be read.
    """
    problem = f"Approval instance {what}, but could not be read: {get_problem(failure)}"
    error = OutcomeUnknownError(
        f"{problem} Next: read it with client.approval.get_instance({reference!r}) before asking again; with "
        "an idempotency_key, a repeated call returns it."
    )
    error.problem = problem
    return error


def _encode_person(who: receivers.Receiver) -> dict[str, str]:
    return {"open_id" if who.id_type == "open_id" else "user_id": who.id}


def _assign_people(nodes: Sequence[Any], by_step: Mapping[str, Iterable[str]]) -> Procedure[list[Any]]:
    assignments = []
    for name, people in check_dict("approvers and copies", by_step, "people by step").items():
        node = next((step for step in nodes if name in (step.id, step.custom_id, step.name) and name), None)
        if node is None:
            known = ", ".join(f"{step.id} ({step.name})" for step in nodes)
            raise InvalidRequestError(
                f"The approval has no step {name!r}. Next: use one of {known}.", code=_INVALID
            )
        ids: list[str] = []
        named = [people] if isinstance(people, str) else people
        for person in check_list(f"The approvers of step {name!r}", named, "a list of people"):
            ids += [(yield from receivers.find_open_id(person, f"an approver of step {name!r}"))]
        assignments.append({"key": node.id or node.custom_id, "value": ids})
    return assignments


def get_instance(instance: str) -> Procedure[Instance]:
    """Read the current state of an approval.

    See GET /open-apis/approval/v4/instances/:instance_id.

    Args:
        instance: The code of the instance (`instance_code`), or the uuid under which it was created.

    Returns:
        The instance with its form, and each person's part.

    Raises:
        InvalidRequestError: The code is invalid; nothing was sent.
        NotFoundError: There is no such instance in the app's tenant.
        PermissionDeniedError: The app lacks the scope.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    url = fill_path(_INSTANCES + "/{instance}", instance=check_code(instance, "instance"))
    call: Call[Any] = make_request("GET", url, params={"user_id_type": "open_id"})
    return read_instance((yield from perform(call)).data)


def list_instances(approval_code: str, start: dt.datetime, end: dt.datetime | None = None) -> Listing[str]:
    """List the codes of instances by the time of their creation, oldest first.

    See GET /open-apis/approval/v4/instances, ten hours at a time, as Lark advises.

    Args:
        approval_code: The code of the approval definition.
        start: The beginning of the period, with a time zone.
        end: The end of the period, with a time zone; now if None.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such definition.
        PermissionDeniedError: The app lacks the scope.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    code = check_code(approval_code)
    for name, moment in (("start", start), ("end", end)):
        if (moment is not None or name == "start") and not (
            isinstance(moment, dt.datetime) and moment.tzinfo is not None
        ):
            raise InvalidRequestError(
                f"{name} must be a datetime with a time zone, got {moment!r}. Next: pass one with tzinfo, "
                "such as datetime(2026, 1, 31, tzinfo=UTC).",
                code=_INVALID,
            )
    # Ten hours are added in UTC: in local time a window would have eleven where summer time ends.
    first = max(start, _FIRST).astimezone(dt.UTC)
    last = end and end.astimezone(dt.UTC)

    def read_page(token: str | None) -> Procedure[Page[str]]:
        nonlocal last
        if last is None:  # once: all pages end at the same moment
            now: float = yield Now()
            last = dt.datetime.fromtimestamp(now, dt.UTC)
        number, _, mark = (token or "0:").partition(":")
        begins = first + int(number) * _WINDOW
        ends = min(begins + _WINDOW, last)
        if begins >= last:
            return Page([], None)
        params = {
            "approval_code": code,
            "start_time": str(_to_milliseconds(begins)),
            # Lark includes both ends of a window, and adjacent windows must not return an instance twice.
            "end_time": str(_to_milliseconds(ends) - (1 if ends < last else 0)),
            "page_size": str(_PAGE),
            "page_token": mark or None,
        }
        data = (yield from perform(make_request("GET", fill_path(_INSTANCES), params=params))).data
        code_page: Page[str] = Page.of({**data, "items": data.get("instance_code_list")})
        if code_page.next_token:
            return Page(code_page.items, f"{number}:{code_page.next_token}")
        return Page(code_page.items, f"{int(number) + 1}:" if ends < last else None)

    return Listing(read_page)


def _to_milliseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def cancel_instance(instance: str) -> Procedure[Instance]:
    """Withdraw an approval in the name of the person who asked; one that has ended stays as it is.

    See POST /open-apis/approval/v4/instances/cancel. The definition must allow it.

    Args:
        instance: The code of the instance (`instance_code`), or the uuid under which it was created.

    Returns:
        The instance afterwards.

    Raises:
        InvalidRequestError: The code is invalid; nothing was sent.
        NotFoundError: There is no such instance.
        PermissionDeniedError: The definition does not allow it, or the app lacks the scope.
        OutcomeUnknownError: No answer came, and the instance is still pending.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    approval = yield from get_instance(instance)
    body = {"approval_code": approval.approval_code, "instance_code": approval.code}
    call: Call[Any] = make_request(
        "POST",
        fill_path(_INSTANCES + "/cancel"),
        params={"user_id_type": "open_id" if approval.open_id else "user_id"},
        json=body | {"user_id": approval.open_id or approval.user_id},
        subject=f"approval instance {approval.code}",
    )
    lost: OutcomeUnknownError | None = None
    for _ in range(_CANCEL_TRIES):
        # Read before each try: once an instance is approved, the same request would revert the approval.
        if approval.is_final:
            return approval
        refused: LarkAPIError | None = None
        try:
            yield from perform(call)
        except OutcomeUnknownError as error:
            lost = error
        except LarkAPIError as error:
            refused = error
        approval = yield from get_instance(approval.code)
        if refused is not None and not approval.is_final:
            raise refused
        if refused is None and lost is None:
            return approval
    if lost is not None and not approval.is_final:
        raise lost
    return approval
