"""People: contact v3 of Lark (`/open-apis/contact/v3/users`), cached for a day."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from lark_provider.api.lookups import DAY, By, look_up
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import LarkAPIError, PermissionDeniedError, make_unknown_choice_error
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

UserIdType: TypeAlias = Literal["open_id", "union_id", "user_id"]
_SEPARATORS = re.compile(r"[\s()./-]")
_MAINLAND = re.compile(r"1[0-9]{10}")
_NO_SUCH_IDS = frozenset({99992351, 99992360, 99992363, 41012})
_ID = re.compile(r"[\w.@-]+")
_EMPLOYEE_ID_SCOPE = "contact:user.employee_id:readonly"


class User(TypedDict, total=False):
    """A person as Lark shows them to this app: what its scopes do not cover is missing."""

    open_id: str
    union_id: str
    user_id: str
    name: str
    en_name: str
    nickname: str
    email: str
    enterprise_email: str
    mobile: str
    mobile_visible: bool
    gender: int
    avatar: dict[str, str]
    status: dict[str, bool]
    department_ids: list[str]
    leader_user_id: str
    city: str
    country: str
    work_station: str
    join_time: int
    is_tenant_manager: bool
    employee_no: str
    employee_type: int
    job_title: str


def _with_country(mobile: str) -> str:
    """Return a number with its country code; without one it is of mainland China, as for Lark."""
    return "+86" + mobile if _MAINLAND.fullmatch(mobile) else mobile


def parse_mobile_number(text: str) -> str:
    """Return a mobile number in its canonical form: + and digits.

    Args:
        text: The number, with + and the country's code; blanks, hyphens, dots and brackets do not matter.
            Only a number of mainland China may lack the code.

    Raises:
        InvalidRequestError: It is not a mobile number.
    """
    return _with_country(_MOBILE.check(text))


_EMAIL = By(
    "email",
    re.compile(r"[!-~]{1,64}@[!-~]{1,255}"),
    "an address such as alice@example.com",
    compared=str.lower,
)
_MOBILE = By(
    "mobile",
    re.compile(rf"\+[1-9][0-9]{{5,14}}|{_MAINLAND.pattern}"),
    "a number with + and its country's code, such as +8613800000000",
    lambda text: _SEPARATORS.sub("", text),
    _with_country,
)
_BY_ID = {
    kind: By(kind, re.compile(r"[!-~]{1,255}"), f"the {kind} of a person") for kind in get_args(UserIdType)
}


def find_by_email(
    emails: str | Iterable[str], *, user_id_type: UserIdType = "open_id", max_age: float = DAY
) -> Procedure[dict[str, str | None]]:
    """Find people's ids by their e-mail addresses.

    See POST /open-apis/contact/v3/users/batch_get_id, 50 at a time. Answers are cached for a day, and those
    for unknown users for five minutes, in the database that processes share, else in this process.

    Args:
        emails: Addresses, or one; upper and lower case are the same. Lark knows a person by the address of
            their account, not by that of a company mailbox.
        user_id_type: Which ids to answer with. For `user_id` the app needs contact:user.employee_id:readonly;
            without it no user is found.
        max_age: Maximum age of a cached answer, in seconds; 0 asks Lark again. While Lark is unavailable or
            limits the rate, older answers are used, with a warning.

    Returns:
        The id for each address as it was passed, in order; None without a user visible to this app.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        PermissionDeniedError: The app lacks the scope contact:user.id:readonly.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    return _find_ids(emails, _EMAIL, user_id_type, max_age)


def find_by_mobile(
    mobiles: str | Iterable[str], *, user_id_type: UserIdType = "open_id", max_age: float = DAY
) -> Procedure[dict[str, str | None]]:
    """Find people's ids by their mobile numbers.

    See POST /open-apis/contact/v3/users/batch_get_id. Errors and caching as for `find_by_email`.

    Args:
        mobiles: Numbers, or one, with + and the country's code; blanks, hyphens, dots and brackets do not
            matter. Only a number of mainland China may lack the code.
        user_id_type: Which ids to answer with, as for `find_by_email`.
        max_age: Maximum age of a cached answer, in seconds; 0 asks Lark again.

    Returns:
        The id for each number as it was passed, in order; None without a user visible to this app.
    """
    return _find_ids(mobiles, _MOBILE, user_id_type, max_age)


def get_id(
    email_or_mobile: str, *, user_id_type: UserIdType = "open_id", max_age: float = DAY
) -> Procedure[str | None]:
    """Find one person's id by e-mail address or mobile number.

    See POST /open-apis/contact/v3/users/batch_get_id. Errors and the other parameters as for `find_by_email`
    and `find_by_mobile`.

    Args:
        email_or_mobile: The address or number.
        user_id_type: Which id to answer with.
        max_age: Maximum age of a cached answer, in seconds; 0 asks Lark again.

    Returns:
        The id; None without a user visible to this app.
    """
    by = _EMAIL if isinstance(email_or_mobile, str) and "@" in email_or_mobile else _MOBILE
    return (yield from _find_ids([email_or_mobile], by, user_id_type, max_age))[email_or_mobile]


def get_users(
    ids: str | Iterable[str],
    *,
    user_id_type: UserIdType = "open_id",
    max_age: float = DAY,
    max_stale_age: float = math.inf,
) -> Procedure[dict[str, User | None]]:
    """Read what Lark shows of people.

    See GET /open-apis/contact/v3/users/batch, 50 at a time. Answers are cached as those of
    `find_by_email`; after a scope was granted, `max_age=0` reads what it adds.

    Args:
        ids: The ids of the people, or one id.
        user_id_type: The kind of all `ids`.
        max_age: Maximum age of a cached answer, in seconds; 0 asks Lark again.
        max_stale_age: Maximum age in seconds of a cached answer that is used, with a warning, while Lark is
            unavailable or limits the rate.

    Returns:
        The person for each id as it was passed, in order; None for an id that does not exist or belongs to
        a user whom this app may not see.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: An id is another app's or another company's.
        PermissionDeniedError: The app lacks a scope.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached, and the cache has no answer that may be used.
    """
    by = _BY_ID.get(user_id_type) if isinstance(user_id_type, str) else None
    if by is None:
        raise make_unknown_choice_error("user_id_type", user_id_type, get_args(UserIdType), 40001)
    return (
        yield from look_up(
            ids,
            by,
            f"user.{user_id_type}",
            lambda batch: _read(batch, user_id_type),
            max_age,
            max_stale_age,
        )
    )


def get_user(
    user_id: str,
    *,
    user_id_type: UserIdType = "open_id",
    max_age: float = DAY,
    max_stale_age: float = math.inf,
) -> Procedure[User | None]:
    """Read what Lark shows of one person.

    See GET /open-apis/contact/v3/users/batch. Errors and the other parameters as for `get_users`.

    Args:
        user_id: The id of the person.
        user_id_type: The kind of `user_id`.
        max_age: Maximum age of a cached answer, in seconds; 0 asks Lark again.
        max_stale_age: Maximum age in seconds of a cached answer that is used, with a warning, while Lark is
            unavailable or limits the rate.

    Returns:
        The person; None without a user visible to this app.
    """
    users = yield from get_users(
        [user_id], user_id_type=user_id_type, max_age=max_age, max_stale_age=max_stale_age
    )
    return users[user_id]


def _find_ids(
    values: str | Iterable[str], by: By, user_id_type: UserIdType, max_age: float
) -> Procedure[dict[str, str | None]]:
    check_choice("user_id_type", user_id_type, get_args(UserIdType), 40001)

    def fetch(batch: list[str]) -> Procedure[dict[str, str | None]]:
        call: Call[Any] = make_request(
            "POST",
            fill_path("/contact/v3/users/batch_get_id"),
            params={"user_id_type": user_id_type},
            json={f"{by.name}s": batch},
            safe=True,
        )
        users = (yield from perform(call)).data.get("user_list") or ()
        # The key is `user_id` for every kind of id.
        return {by.compared(user.get(by.name, "")): user.get("user_id") or None for user in users}

    return (yield from look_up(values, by, f"{by.name}.{user_id_type}", fetch, max_age))


def _read(ids: list[str], id_type: UserIdType) -> Procedure[dict[str, User | None]]:
    """Read some users. If Lark refuses a batch for unknown ids, the other ids are read again without them."""
    params = {"user_ids": ids, "user_id_type": id_type}
    call: Call[Any] = make_request("GET", fill_path("/contact/v3/users/batch"), params=params)
    try:
        users: list[User] = (yield from perform(call)).data.get("items") or []
    except LarkAPIError as error:
        if error.code not in _NO_SUCH_IDS:
            raise
        # Lark has been seen to name them; if it does not, they are found by bisection.
        unknown = set(_ID.findall(error.msg)).intersection(ids)
        half = len(ids) // 2
        parts = (
            [[user_id for user_id in ids if user_id not in unknown]] if unknown else [ids[:half], ids[half:]]
        )
        by_id: dict[str, User | None] = {}
        for part in parts if len(ids) > 1 else ():
            if part:
                by_id |= yield from _read(part, id_type)
        return by_id
    if any(id_type not in user for user in users):
        raise PermissionDeniedError(
            f"{call.name} → Lark returned a user without {id_type}. Next: grant the scope "
            f"{_EMPLOYEE_ID_SCOPE}, or look users up by open_id.",
            scopes=[_EMPLOYEE_ID_SCOPE],
        )
    return {user[id_type]: user for user in users}
