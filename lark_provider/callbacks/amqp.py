"""RabbitMQ by pika: where the broker is, and what its errors mean."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pika
from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker

from lark_provider.callbacks.topology import QUEUE_TYPES, QueueType
from lark_provider.protocol.callbacks import BrokerError
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact

# pika tells of each failure several times, with tracebacks; ours tell it once, with what to do next.
if logging.getLogger("pika").level == logging.NOTSET:
    logging.getLogger("pika").setLevel(logging.CRITICAL)

CA_VARIABLE = "RABBITMQ_CA"
_VARIABLES = tuple(f"RABBITMQ_{part}" for part in ("URL", "HOST", "PORT", "USER", "PASSWORD", "VHOST", "TLS"))
_PORT, _TLS_PORT, _MAX_PORT = 5672, 5671, 65535
_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_HEARTBEAT_SECONDS = 20
_SOCKET_SECONDS = 5.0
_MISMATCH = re.compile(
    r"inequivalent arg '([^']+)' for (\w+) '([^']+)' in vhost '[^']*': received (.+?) but current is (.+)"
)
_PRECONDITION_FAILED = 406
_LONGEST_NAME = 255  # bytes of a short string in AMQP


def is_configured(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a broker is configured: by `RABBITMQ_URL` or any `RABBITMQ_*`."""
    return any(environ.get(name, "").strip() for name in _VARIABLES)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where RabbitMQ is.

    Attributes:
        parameters: pika's.
        queue_type: What its queues are.
    """

    parameters: pika.ConnectionParameters = field(repr=False)
    queue_type: QueueType = "quorum"

    def __str__(self) -> str:
        where = self.parameters
        return f"RabbitMQ at {where.host}:{where.port}, virtual host {where.virtual_host!r}"


def broker(url: str | None = None, environ: Mapping[str, str] = os.environ) -> Broker:
    """Find the broker: the argument, `RABBITMQ_URL`, then `RABBITMQ_HOST`, `_PORT`, `_USER`, ….

    `amqps://` or `RABBITMQ_TLS=true` encrypts; `RABBITMQ_CA` is the file of a certificate authority that is
    trusted as well as the system's. `RABBITMQ_QUEUE_TYPE` is `quorum` or, for a single node, `classic`.

    Args:
        url: `amqp://user:password@host:5672/vhost`, or `amqps://…`.
        environ: The environment.

    Raises:
        ConfigurationError: Nothing is configured, or a part cannot be right.
    """
    kind = environ.get("RABBITMQ_QUEUE_TYPE", "").strip().lower() or QUEUE_TYPES[0]
    known: QueueType | None = next((one for one in QUEUE_TYPES if one == kind), None)
    if known is None:
        raise ConfigurationError(f"RABBITMQ_QUEUE_TYPE is {kind!r}. Next: set it to quorum or classic.")
    text = url or environ.get("RABBITMQ_URL", "").strip()
    if text:
        parameters = _from_url(text, "the broker's URL" if url else "RABBITMQ_URL", environ)
    elif is_configured(environ):
        parameters = _from_parts(environ)
    else:
        raise ConfigurationError(
            "No RabbitMQ is configured. Next: set RABBITMQ_HOST, RABBITMQ_USER and RABBITMQ_PASSWORD, or "
            "RABBITMQ_URL."
        )
    parameters.heartbeat = _HEARTBEAT_SECONDS
    parameters.socket_timeout = parameters.stack_timeout = _SOCKET_SECONDS
    parameters.client_properties = {"connection_name": f"lark_provider {os.getpid()}"}
    return Broker(parameters, known)


def _from_url(text: str, setting: str, environ: Mapping[str, str]) -> pika.ConnectionParameters:
    # An "@" behind the host is the end of a password that was not encoded: most of it would be shown.
    found: pika.ConnectionParameters | None = None
    if re.fullmatch(r"amqps?://[^/?#]+(?:[/?#][^@]*)?", text):
        with suppress(ValueError, TypeError):
            found = cast("pika.ConnectionParameters", pika.URLParameters(text))  # the stubs keep them apart
    if found is None:
        raise ConfigurationError(
            f"{setting} is no URL of a RabbitMQ. Next: write it as amqp://user:password@host:5672/vhost, or "
            "amqps://… for TLS, with special characters percent-encoded."
        )
    if found.ssl_options is not None and "ssl_options=" not in text:
        found.ssl_options = _tls(found.host, environ)
    return found


def _from_parts(environ: Mapping[str, str]) -> pika.ConnectionParameters:
    def read(name: str, default: str) -> str:
        return environ.get(f"RABBITMQ_{name}", "").strip() or default

    tls = read("TLS", "").lower()
    if tls not in _YES | _NO:
        raise ConfigurationError(f"RABBITMQ_TLS is {tls!r}. Next: set it to true or false.")
    host, port = read("HOST", "localhost"), read("PORT", str(_TLS_PORT if tls in _YES else _PORT))
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise ConfigurationError(f"RABBITMQ_PORT is {port!r}. Next: set it to a number, usually {_PORT}.")
    login = pika.PlainCredentials(read("USER", "guest"), environ.get("RABBITMQ_PASSWORD", "") or "guest")
    return pika.ConnectionParameters(
        host=host,
        port=int(port),
        virtual_host=read("VHOST", "/"),
        credentials=login,
        ssl_options=_tls(host, environ) if tls in _YES else None,
    )


def _tls(host: str, environ: Mapping[str, str]) -> pika.SSLOptions:
    context = ssl.create_default_context()
    if authority := environ.get(CA_VARIABLE, "").strip():
        try:
            context.load_verify_locations(cafile=authority)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"{CA_VARIABLE} is {authority!r}, which cannot be used: {error.strerror or error}. Next: "
                "name a file with the authority's certificate, in PEM."
            ) from None
    return pika.SSLOptions(context, host)


def ping(on: Broker) -> None:
    """Log in and out again; nothing is declared.

    Raises:
        BrokerError: The broker is away, or refuses us.
    """
    try:
        BlockingConnection(on.parameters).close()
    except (AMQPError, OSError) as error:
        raise failure(on, error) from error


def failure(on: Broker, error: BaseException) -> BrokerError:
    """Say what an error of pika's means to whoever runs this."""
    if isinstance(error, ChannelClosedByBroker) and error.reply_code == _PRECONDITION_FAILED:
        found = _MISMATCH.search(error.reply_text)
        if found:
            what, kind, name, ours, theirs = found.groups()
            return BrokerError(
                f"{on}: {kind} {name!r} exists with {what} = {theirs.strip()}, and is wanted with {ours}. "
                "Next: delete it when it is empty, or set RABBITMQ_QUEUE_TYPE to what it is."
            )
    cause = _innermost(error)
    reason = " ".join(redact(str(cause)).split()).rstrip(".")
    return BrokerError(
        f"{on} cannot be used: {type(cause).__name__}{reason and f': {reason}'}. Next: check that it runs, "
        f"and host, port, user, password, virtual host and TLS ({CA_VARIABLE} for an authority of your own)."
    )


def _innermost(error: BaseException) -> BaseException:
    """What pika has wrapped, some of it several times, and often without a word of its own."""
    while True:
        held = (*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args)
        inner = [one for one in held if isinstance(one, BaseException)]
        if not inner:
            return error
        error = inner[0]


def persistent(event_id: str, headers: Mapping[str, Any] | None = None) -> pika.BasicProperties:
    """The properties of a message that outlives the broker's restart, with as much of the id as fits in."""
    name = event_id.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=name,
        headers=dict(headers or {}),
    )
