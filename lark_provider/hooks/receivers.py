"""Resolve receivers by the connection's names; in a test environment, resolve all of them to one receiver."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_provider.api.messaging.additions import mark_redirected
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.arguments import check_str

if TYPE_CHECKING:
    from lark_provider.api.receivers import ReceiverIdType


__all__ = ["NamedReceiver", "mark_redirected", "read_json_object", "resolve"]


class NamedReceiver(NamedTuple):
    """The receiver of a message.

    Attributes:
        id: The id that is sent to Lark.
        id_type: Its kind, if its shape misleads.
        instead_of: The intended receiver, if the connection redirects all messages.
    """

    id: str
    id_type: ReceiverIdType | None = None
    instead_of: str | None = None

    def make_key(self, idempotency_key: str) -> str:
        """Return an idempotency key that differs by intended receiver, even if messages are redirected."""
        return idempotency_key if self.instead_of is None else f"{idempotency_key}\n{self.instead_of}"

    def describe(self) -> str:
        """Return the receiver for a log line, with the intended one if the connection redirects messages."""
        return self.id if self.instead_of is None else f"{self.id} instead of {self.instead_of}"


def resolve(
    name: str,
    id_type: ReceiverIdType | None = None,
    *,
    aliases: Mapping[str, Any],
    redirect: str,
) -> NamedReceiver:
    """Return the receiver of a message.

    Args:
        name: An id, or an alias.
        id_type: The id's kind, if its shape misleads.
        aliases: Ids by name.
        redirect: An id or an alias that gets all messages; "" for no redirection.

    Raises:
        InvalidRequestError: The name is not a str.
    """
    if redirect:
        return NamedReceiver(str(aliases.get(redirect, redirect)), None, name)
    check_str(
        "A receiver (receiver_id)", name, "an open_id (ou_…), a chat_id (oc_…), an e-mail address or a name"
    )
    return NamedReceiver(str(aliases[name])) if name in aliases else NamedReceiver(name, id_type)


def read_json_object(value: Any, extra: str, conn_id: str) -> dict[str, Any]:
    """Return an extra that holds a JSON object; {} if it is empty.

    Args:
        value: The object, or its text, as Airflow's form stores it.
        extra: The extra's name, for the error.
        conn_id: The connection, for the error.

    Raises:
        ConfigurationError: It is not a JSON object.
    """
    content = value
    if isinstance(value, str):
        with suppress(ValueError):  # Text that is not JSON is refused below.
            content = json.loads(value) if value.strip() else None
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigurationError(
            f"Extra {extra!r} of connection {conn_id!r} must be a JSON object, got "
            f"{type(content).__name__}. Next: write "
            '{"name": "oc_… or ou_… or an e-mail address"}.'
        )
    return dict(content)
