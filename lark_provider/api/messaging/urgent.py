"""Make a message urgent, so that Lark alerts people in the app, by SMS or by phone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark_provider.api import contact
from lark_provider.api.receivers import make_receiver
from lark_provider.protocol.arguments import check_choice, check_one_or_more
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import InvalidRequestError, NotFoundError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.urgent_kinds import URGENT_KINDS, UrgentKind

MAX_PEOPLE = 200
_INVALID, _NO_RECEIVER = 230001, 230034
_PEOPLE = {"open_id", "union_id", "user_id", "email", "mobile"}


def urgent(
    message_id: str, people: str | Sequence[str], kind: UrgentKind = "app"
) -> Procedure[LarkResponse[dict[str, Any]]]:
    """Make a message of this app urgent for people who are in its chat.

    See PATCH /open-apis/im/v1/messages/:message_id/urgent_app, urgent_sms and urgent_phone. SMS and phone use
    the tenant's paid quota, and an urgent message cannot be taken back, so a call is not retried after a lost
    answer.

    Args:
        message_id: The message, `om_…`, which this app has sent.
        people: One person or a list of up to 200. Open_ids (`ou_…`), e-mail addresses and mobile numbers
            (`+…`) can be mixed, since they are all resolved to open_ids. Union_ids (`on_…`) and user_ids
            cannot be mixed with ids of another kind.
        kind: How people are alerted: `app`, `sms` or `phone`, each with its own scope. The other two include
            `app`.

    Returns:
        The answer; `.data["invalid_user_id_list"]` has the ids of those who are not in the chat.

    Raises:
        InvalidRequestError: An argument is invalid, and nothing was sent; or none of the people is in the
            chat.
        NotFoundError: No user visible to the app has an address or number; nothing was sent.
        PermissionDeniedError: The app lacks the scope, has not sent the message, or may not make it urgent in
            this chat.
        ConflictError: The quota is used up, or a person has 200 unread urgent messages.
        OutcomeUnknownError: The answer was lost; people may have been alerted.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_choice("kind", kind, URGENT_KINDS, _INVALID)
    ids = check_one_or_more("people", people, "their ids (ou_…)")
    receivers = [make_receiver(person_id) for person_id in dict.fromkeys(ids)]
    if not 0 < len(receivers) <= MAX_PEOPLE:
        raise InvalidRequestError(
            f"people must be 1 to {MAX_PEOPLE} ids, got {len(receivers)}. Next: name them, or divide "
            "the list.",
            code=_INVALID,
        )
    kinds = {"open_id" if person.id_type in {"email", "mobile"} else person.id_type for person in receivers}
    if len(kinds) > 1 or not kinds <= _PEOPLE:
        raise InvalidRequestError(
            f"people must be ids of one kind, got {', '.join(sorted(kinds))}. Next: pass "
            "open_ids, e-mail addresses and mobile numbers; or user_ids, or union_ids, alone.",
            code=_INVALID,
        )
    url = fill_path("/im/v1/messages/{message_id}/" + f"urgent_{kind}", message_id=message_id)
    return _urge(url, [(person.id, person.id_type) for person in receivers], kinds.pop())


def _urge(
    url: str, people: Sequence[tuple[str, str]], id_type: str
) -> Procedure[LarkResponse[dict[str, Any]]]:
    emails = [email for email, kind in people if kind == "email"]
    mobiles = [mobile for mobile, kind in people if kind == "mobile"]
    known: dict[str, str | None] = {}
    if emails:
        known |= yield from contact.find_by_email(emails)
    if mobiles:
        known |= yield from contact.find_by_mobile(mobiles)
    missing = [address for address, open_id in known.items() if open_id is None]
    if missing:
        raise NotFoundError(
            f"No user visible to this app has {', '.join(missing[:5])}. Next: check the address or number, "
            "and that the app is available to the person.",
            code=_NO_RECEIVER,
        )
    ids = list(dict.fromkeys(known.get(person_id) or person_id for person_id, _ in people))
    # Each repeat would alert people, and cost money, again. So a request is retried only if Lark has
    # certainly not performed it.
    call: Call[dict[str, Any]] = make_request(
        "PATCH", url, params={"user_id_type": id_type}, json={"user_id_list": ids}, idempotent=False
    )
    return (yield from perform(call))
