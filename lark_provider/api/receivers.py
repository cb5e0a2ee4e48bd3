"""Who gets a message: Lark wants the kind of an id named beside it; most ids show theirs by shape."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

from lark_provider.api import contact
from lark_provider.protocol.calls import Procedure
from lark_provider.protocol.errors import InvalidRequestError, NotFoundError

ReceiverIdType: TypeAlias = Literal["open_id", "union_id", "user_id", "email", "chat_id", "mobile"]
"""Lark's kinds, and `mobile`, to which Lark does not send: we look the person's open_id up."""
_PREFIXES: dict[str, ReceiverIdType] = {"ou_": "open_id", "on_": "union_id", "oc_": "chat_id"}
_NO_RECEIVER = 230034


class Receiver(NamedTuple):
    """An id and its kind, as the query parameter `receive_id_type` names it."""

    id: str
    id_type: ReceiverIdType


def receiver(receiver_id: str, id_type: ReceiverIdType | None = None) -> Receiver:
    """Tell what kind of id a receiver is.

    Args:
        receiver_id: `ou_…` (open_id), `on_…` (union_id), `oc_…` (chat), an e-mail address, a mobile number
            (`+…`), or a user_id.
        id_type: Names the kind where the shape would mislead.

    Raises:
        InvalidRequestError: The id is empty or no mobile number, or the kind unknown.
    """
    if not (isinstance(receiver_id, str) and receiver_id.strip()):
        raise InvalidRequestError(
            f"receiver_id is {receiver_id!r}. Next: pass an open_id (ou_…), a chat id (oc_…) or an e-mail.",
            code=230001,
        )
    found = receiver_id.strip()
    if id_type is None:
        id_type = _PREFIXES.get(found[:3]) or _kind(found)
    elif id_type not in get_args(ReceiverIdType):
        known = ", ".join(get_args(ReceiverIdType))
        raise InvalidRequestError(f"receiver_id_type is {id_type!r}. Next: use one of {known}.", code=230001)
    return Receiver(contact.mobile_number(found) if id_type == "mobile" else found, id_type)


def _kind(receiver_id: str) -> ReceiverIdType:
    if "@" in receiver_id:
        return "email"
    return "mobile" if receiver_id.startswith("+") else "user_id"


def reached(to: Receiver) -> Procedure[Receiver]:
    """The receiver as Lark can be told: a mobile number becomes its owner's open_id.

    Args:
        to: What `receiver` returned.

    Raises:
        NotFoundError: Nobody whom the app may see has the number.
        LarkError: As for `contact.find_by_mobile`.
    """
    if to.id_type != "mobile":
        return to
    open_id = yield from contact.get_id(to.id)
    if open_id is None:
        raise NotFoundError(
            f"Nobody whom this app may see has the mobile number {to.id}. Next: check it with its country's "
            "code, and that the app is available to the person; or pass the e-mail address.",
            code=_NO_RECEIVER,
        )
    return Receiver(open_id, "open_id")
