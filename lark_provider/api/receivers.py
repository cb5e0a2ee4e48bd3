"""Who gets a message: Lark wants the kind of an id named beside it; most ids show theirs by shape."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias, get_args

from lark_provider.protocol.errors import InvalidRequestError

ReceiverIdType: TypeAlias = Literal["open_id", "union_id", "user_id", "email", "chat_id"]
_PREFIXES: dict[str, ReceiverIdType] = {"ou_": "open_id", "on_": "union_id", "oc_": "chat_id"}
_MOBILE = re.compile(r"\+[0-9]{5,}")


class Receiver(NamedTuple):
    """An id and its kind, as the query parameter `receive_id_type` names it."""

    id: str
    id_type: ReceiverIdType


def receiver(receiver_id: str, id_type: ReceiverIdType | None = None) -> Receiver:
    """Tell what kind of id a receiver is.

    Args:
        receiver_id: `ou_…` (open_id), `on_…` (union_id), `oc_…` (chat), an e-mail address, or a user_id.
        id_type: Names the kind where the shape would mislead.

    Raises:
        InvalidRequestError: The id is empty, the kind unknown, or it is a mobile number.
    """
    if not (isinstance(receiver_id, str) and receiver_id.strip()):
        raise InvalidRequestError(
            f"receiver_id is {receiver_id!r}. Next: pass an open_id (ou_…), a chat id (oc_…) or an e-mail.",
            code=230001,
        )
    found = receiver_id.strip()
    if id_type is not None:
        if id_type not in get_args(ReceiverIdType):
            known = ", ".join(get_args(ReceiverIdType))
            raise InvalidRequestError(
                f"receiver_id_type is {id_type!r}. Next: use one of {known}.", code=230001
            )
        return Receiver(found, id_type)
    if _MOBILE.fullmatch(found):
        raise InvalidRequestError(
            "receiver_id is a mobile number, to which Lark does not send. Next: look the person's open_id up "
            "(POST /contact/v3/users/batch_get_id) and pass that, or pass the e-mail address.",
            code=230001,
        )
    return Receiver(found, _PREFIXES.get(found[:3]) or ("email" if "@" in found else "user_id"))
