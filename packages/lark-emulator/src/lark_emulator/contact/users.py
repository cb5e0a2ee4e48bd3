"""`/contact/v3/users`: ids by e-mail address or mobile number, one user, many users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    read_choice,
    read_json_object,
    read_optional_flag,
    read_text_list,
    read_user_id_type,
    refuse_parameter,
)
from lark_emulator.world.departments import ROOT

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

MAX_PER_KIND = 50
MAX_USERS = 50
MAINLAND = "+86"
DEPARTMENT_ID_TYPES = ("open_department_id", "department_id")

_AS_APP = (
    "contact:contact:access_as_app",
    "contact:contact:readonly",
    "contact:contact:readonly_as_app",
)
_BASE = ("contact:user.base:readonly", *_AS_APP)
_EMPLOYEE = ("contact:user.employee:readonly", *_AS_APP)
#: Members of a user that are left out unless one of these scopes was granted. All others are always there.
FIELD_SCOPES: dict[str, tuple[str, ...]] = {
    "user_id": ("contact:user.employee_id:readonly",),
    "name": _BASE,
    "en_name": _BASE,
    "avatar": _BASE,
    "email": ("contact:user.email:readonly",),
    "enterprise_email": _EMPLOYEE,
    "mobile": ("contact:user.phone:readonly",),
    "gender": ("contact:user.gender:readonly", *_AS_APP),
    "department_ids": ("contact:user.department:readonly", *_AS_APP),
    "status": _EMPLOYEE,
    "is_tenant_manager": _EMPLOYEE,
    "employee_type": _EMPLOYEE,
    "job_title": _EMPLOYEE,
    "leader_user_id": ("contact:user.department:readonly", *_AS_APP),
    "employee_no": _EMPLOYEE,
}

_NOT_EXISTED = {
    "open_id": codes.OPEN_ID_NOT_EXISTED,
    "union_id": codes.UNION_ID_NOT_EXISTED,
    "user_id": codes.USER_ID_NOT_EXISTED,
}


_EXAMPLES = {"open_id": "ou_******", "union_id": "on_******", "user_id": "64*******87"}


def within_range(app: App, user: User) -> bool:
    """Return whether an app may read about a person."""
    return app.sees(user.user_id) and not user.is_external


def may_see(app: App, field: str) -> bool:
    """Return whether an app may read a member of a person, such as `user_id`."""
    if field == "user_id" and app.store:
        return False
    return field not in FIELD_SCOPES or app.has_any(*FIELD_SCOPES[field])


def batch_get_id(call: Call) -> dict[str, Any]:
    """Answer with one entry per address asked for; unknown ones come back without `user_id`."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes.CONTACT_PARAM)
    resigned = read_optional_flag(body, "include_resigned")
    user_list: list[dict[str, Any]] = []
    for kind, member in (("email", "emails"), ("mobile", "mobiles")):
        for address in read_text_list(body, member, limit=MAX_PER_KIND):
            entry: dict[str, Any] = {kind: address}
            user = by_address(call, kind, address)
            if user is not None and (resigned or user.status != "resigned"):
                # The key is `user_id` whatever type of id was asked for.
                if id_type != "user_id" or may_see(call.app, "user_id"):
                    entry["user_id"] = user.get_id(call.app, id_type)
                if resigned and may_see(call.app, "status"):
                    entry["status"] = user.status_flags
            user_list.append(entry)
    return {"user_list": user_list}


def by_address(call: Call, kind: str, address: str) -> User | None:
    """Find the person whom an app may look up by an `email` or a `mobile`."""
    wanted = with_country(address) if kind == "mobile" else address
    for user in call.world.users.values():
        own = with_country(user.mobile) if kind == "mobile" else user.email
        if own and own == wanted and within_range(call.app, user):
            return user
    return None


def with_country(mobile: str) -> str:
    """Return a mobile number with its country code, which is China's if it has none."""
    return mobile if not mobile or mobile.startswith("+") else MAINLAND + mobile


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/users/:user_id`."""
    id_type, department_type = read_id_types(call)
    return {"user": render(call, find_user(call, id_type), id_type, department_type)}


def find_user(call: Call, id_type: str, denied: codes.Code = codes.NO_USER_AUTHORITY) -> User:
    """Return the person of the path.

    Args:
        call: The request; the person must be within the range of its app.
        id_type: The kind of id that the path holds, such as `open_id`.
        denied: 41050, with the text and the HTTP status that the endpoint's page gives.

    Raises:
        RefusedError: 99992351 and its like or 41012 (see `Settings.unknown_user_ids`), `denied` (out of
            range).
    """
    value = call.params["user_id"]
    user = call.world.find_user(call.app, id_type, value)
    if user is None:
        if call.settings.unknown_user_ids == "endpoint":
            raise RefusedError(codes.USER_ID_INVALID_ERROR)
        _refuse_ids(id_type, [value])
    if not within_range(call.app, user):
        raise RefusedError(denied)
    return user


def get_batch(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/users/batch`: users out of the app's range are left out."""
    id_type, department_type = read_id_types(call)
    ids = [value for name, value in call.query_pairs if name == "user_ids" and value]
    if not ids:
        refuse_parameter("user_ids", None, "user_ids is required")
    if len(ids) > MAX_USERS:
        refuse_parameter("user_ids", len(ids), f"the max len is {MAX_USERS}")
    users = {value: call.world.find_user(call.app, id_type, value) for value in ids}
    unknown = [value for value, user in users.items() if user is None]
    if unknown and call.settings.unknown_user_ids == "gateway":
        _refuse_ids(id_type, unknown)
    seen = [user for user in users.values() if user is not None and within_range(call.app, user)]
    return {"items": [render(call, user, id_type, department_type) for user in seen]}


def read_id_types(call: Call) -> tuple[str, str]:
    """Return which kinds of user id and of department id the caller speaks."""
    return read_user_id_type(call), read_choice(
        call.query, "department_id_type", DEPARTMENT_ID_TYPES, default="open_department_id"
    )


def _refuse_ids(id_type: str, ids: list[str]) -> NoReturn:
    raise RefusedError(
        _NOT_EXISTED[id_type]._replace(
            msg=f"The request you send is not a valid {{{id_type}}} or not exists, and the example value is "
            f"{{{_EXAMPLES[id_type]}}}. Invalid ids: [{' '.join(ids)}] . Please see field_violations for "
            "details and refer to API documentation to correct accordingly and resubmit"
        ),
        error={
            "field_violations": [
                {"field": id_type, "value": invalid_id, "description": ""} for invalid_id in ids
            ]
        },
    )


def render(
    call: Call, user: User, id_type: str = "open_id", department_type: str = "open_department_id"
) -> dict[str, Any]:
    """Return a person with the members that the app's scopes allow."""
    app, departments = call.app, call.world.departments
    leader = call.world.users.get(user.leader)
    address = f"https://emulator.invalid/avatar/{user.user_id}.png"
    members = {
        "union_id": user.union_id,
        "user_id": user.user_id,
        "open_id": user.get_id(app, "open_id"),
        "name": user.name,
        "en_name": user.en_name,
        "email": user.email,
        "enterprise_email": user.enterprise_email,
        "mobile": user.mobile,
        "mobile_visible": True,
        "gender": user.gender,
        "avatar": dict.fromkeys(("avatar_72", "avatar_240", "avatar_640", "avatar_origin"), address),
        "status": user.status_flags,
        "department_ids": [
            department.get_id(department_type)
            for department in map(departments.find, user.departments or [ROOT])
            if department is not None
        ],
        "leader_user_id": "" if leader is None else leader.get_id(app, id_type),
        "employee_no": user.employee_no,
        "is_tenant_manager": False,
        "employee_type": user.employee_type,
        "job_title": user.job_title,
    }
    return {name: value for name, value in members.items() if may_see(app, name)}


_PATH = "/open-apis/contact/v3/users"
IDS = (
    "unknown ids get 99992351, 99992360 or 99992363, which name them"
    " (settable, `unknown_user_ids`: 41012, and nothing in a batch)"
)
FIELDS = "orders and custom fields are not emulated; who is in no department is in the root"
RANGE = (
    "the app's range in the directory is the range of those whom it may write to; people of other tenants are"
    " outside of it"
)

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/batch_get_id",
        batch_get_id,
        unconfirmed=(
            "`status` is sent only with `include_resigned`",
            "mobile numbers without `+` and a country's code are Chinese ones",
            RANGE,
        ),
    ),
    Route("GET", f"{_PATH}/:user_id", get, unconfirmed=(IDS, FIELDS, RANGE)),
    Route(
        "GET",
        f"{_PATH}/batch",
        get_batch,
        unconfirmed=(IDS, FIELDS, RANGE, "an id that is named twice comes back once"),
    ),
)
