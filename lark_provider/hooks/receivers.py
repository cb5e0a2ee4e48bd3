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


__all__ = ["NamedReceiver", "mark_redirected", "read_json_object", "resolve", "resolve_alias"]


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
        ConfigurationError: The entry of `aliases` is not an id.
        InvalidRequestError: The name is not a str.
    """
    if redirect:
        return NamedReceiver(resolve_alias(redirect, aliases), None, name)
    check_str(
        "A receiver (receiver_id)", name, "an open_id (ou_…), a chat_id (oc_…), an e-mail address or a name"
    )
    return (
        NamedReceiver(name, id_type) if name not in aliases else NamedReceiver(resolve_alias(name, aliases))
    )


def resolve_alias(name: str, aliases: Mapping[str, Any]) -> str:
    """Return the id that a name stands for; other names as they are.

    Args:
        name: An id, or an alias.
        aliases: Ids by name. A user_id of digits may be a number.

    Raises:
        ConfigurationError: The entry of `aliases` is not an id.
    """
    value = aliases.get(name, name)
    is_id = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    if not is_id or not str(value).strip():
        raise ConfigurationError(
            f"Entry {name!r} of the extra 'receivers' must be an id, got {value!r:.80}. Next: write one "
            "open_id, chat_id or e-mail address, or remove the entry."
        )
    return str(value)


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
