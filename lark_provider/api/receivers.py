"""Receivers of messages: Lark needs the kind of an id, and the shape of most ids shows it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias, get_args

from lark_provider.api import contact
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.errors import InvalidRequestError, NotFoundError
from lark_provider.protocol.operations import Procedure

ReceiverIdType: TypeAlias = Literal["open_id", "union_id", "user_id", "email", "chat_id", "mobile"]
"""Lark's kinds, and `mobile`, which Lark does not send to: the user's open_id is looked up first."""
_PREFIXES: dict[str, ReceiverIdType] = {"ou_": "open_id", "on_": "union_id", "oc_": "chat_id"}
_BARE_MOBILE = re.compile(r"(?:(?:00)?86)?(1[3-9][0-9]{9})")
_SEPARATORS = re.compile(r"[\s()./-]")
_NO_RECEIVER = 230034


class Receiver(NamedTuple):
    """An id and its kind, as the query parameter `receive_id_type` names it."""

    id: str
    id_type: ReceiverIdType


def make_receiver(receiver_id: str, id_type: ReceiverIdType | None = None) -> Receiver:
    """Return a receiver with the kind of its id.

    Args:
        receiver_id: `ou_…` (open_id), `on_…` (union_id), `oc_…` (chat), an e-mail address, a mobile number
            (`+…`), or a user_id.
        id_type: Names the kind where the shape would mislead.

    Raises:
        InvalidRequestError: The id is empty or not a mobile number, or the kind is unknown.
    """
    if not (isinstance(receiver_id, str) and receiver_id.strip()):
        raise InvalidRequestError(
            f"receiver_id must be a non-empty string, got {receiver_id!r}. Next: pass an open_id (ou_…), a "
            "chat id (oc_…) or an e-mail address.",
            code=230001,
        )
    bare_id = receiver_id.strip()
    if id_type is None:
        id_type = _PREFIXES.get(bare_id[:3]) or _guess_kind(bare_id)
    else:
        check_choice("receiver_id_type", id_type, get_args(ReceiverIdType), 230001)
    return Receiver(contact.parse_mobile_number(bare_id) if id_type == "mobile" else bare_id, id_type)


def _guess_kind(receiver_id: str) -> ReceiverIdType:
    if "@" in receiver_id:
        return "email"
    return "mobile" if receiver_id.startswith("+") else "user_id"


def make_hint(to: Receiver) -> str:
    """Return what may be wrong with a receiver; empty if nothing is known.

    Eleven digits may be a user_id, and so are not looked up as the mobile number that they look like.

    Args:
        to: What `make_receiver` returned.
    """
    number = _BARE_MOBILE.fullmatch(_SEPARATORS.sub("", to.id)) if to.id_type == "user_id" else None
    return f"if {to.id} is a mobile number, write it as +86{number[1]}" if number else ""


def resolve(to: Receiver) -> Procedure[Receiver]:
    """Resolve a mobile number to its owner's open_id; return any other receiver unchanged.

    Args:
        to: What `make_receiver` returned.

    Raises:
        NotFoundError: No user visible to the app has the number.
        LarkError: As for `contact.find_by_mobile`.
    """
    if to.id_type != "mobile":
        return to
    open_id = yield from contact.get_id(to.id)
    if open_id is None:
        raise NotFoundError(
            f"No user visible to this app has the mobile number {to.id}. Next: check it and its country's "
            "code, and that the app is available to the person; or pass the e-mail address.",
            code=_NO_RECEIVER,
        )
    return Receiver(open_id, "open_id")


def find_person(who: str, what: str) -> Procedure[Receiver]:
    """Find a person by an open_id or user_id, which stay as they are, or by anything else that names one.

    Args:
        who: An open_id, union_id, user_id, e-mail address or mobile number (`+…`).
        what: Who it is, for error texts, such as `submitter`.

    Raises:
        InvalidRequestError: It is empty, or a chat.
        NotFoundError: No user visible to the app has the id, address or number.
        PermissionDeniedError: The app lacks a scope to look people up.
    """
    if not (isinstance(who, str) and who.strip()):
        raise InvalidRequestError(
            f"{what} must be a non-empty string, got {who!r}. Next: pass an open_id (ou_…), a user_id, an "
            "e-mail address or a mobile number (+…).",
        )
    target = make_receiver(who)
    if target.id_type == "chat_id":
        raise InvalidRequestError(
            f"{what} must be a person, got the chat {target.id}. Next: pass an open_id (ou_…)."
        )
    return (
        target
        if target.id_type in ("open_id", "user_id")
        else Receiver((yield from _resolve_open_id(target)), "open_id")
    )


def find_open_id(who: str, what: str) -> Procedure[str]:
    """Find a person's open_id. Parameters and errors as for `find_person`.

    Args:
        who: An open_id, union_id, user_id, e-mail address or mobile number (`+…`).
        what: Who it is, for error texts.
    """
    return (yield from _resolve_open_id((yield from find_person(who, what))))


def _resolve_open_id(target: Receiver) -> Procedure[str]:
    open_id: str | None = target.id
    if target.id_type in ("email", "mobile"):
        open_id = yield from contact.get_id(target.id)
    elif target.id_type in ("union_id", "user_id"):
        kind: contact.UserIdType = "union_id" if target.id_type == "union_id" else "user_id"
        user = yield from contact.get_user(target.id, user_id_type=kind)
        open_id = user.get("open_id") if user else None
    if open_id is None:
        raise NotFoundError(
            f"This app sees no user {target.id}. Next: "
            "check the id, address or number, and make the person part of the app's availability in the "
            "developer console.",
            code=_NO_RECEIVER,
        )
    return open_id
