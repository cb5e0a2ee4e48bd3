"""RabbitMQ by pika: where the broker is, what stands in it, and what its errors mean."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker

from lark_provider.callbacks.topology import CARDS, DEAD, EVENTS, EXCHANGE, QUEUE_TYPES, Queue, QueueType
from lark_provider.protocol.errors import ConfigurationError, TransportError
from lark_provider.protocol.redact import redact

_VARIABLES = tuple(f"RABBITMQ_{part}" for part in ("URL", "HOST", "PORT", "USER", "PASSWORD", "VHOST", "TLS"))
_PORT, _TLS_PORT, _MAX_PORT = 5672, 5671, 65535
_HEARTBEAT_SECONDS = 20
_SOCKET_SECONDS = 5.0
_MISMATCH = re.compile(
    r"inequivalent arg '([^']+)' for (\w+) '([^']+)' in vhost '[^']*': received (.+?) but current is (.+)"
)
PRECONDITION_FAILED = 406


class BrokerError(TransportError):
    """RabbitMQ is away, or refuses us."""


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

    `RABBITMQ_TLS=true` encrypts, and `RABBITMQ_QUEUE_TYPE` is `quorum` or, for a single node, `classic`.

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
        parameters: pika.ConnectionParameters = _from_url(text, "the broker's URL" if url else "RABBITMQ_URL")
    elif is_configured(environ):
        parameters = _from_parts(environ)
    else:
        raise ConfigurationError(
            "No RabbitMQ is configured. Next: set RABBITMQ_HOST, RABBITMQ_USER and RABBITMQ_PASSWORD, or "
            "RABBITMQ_URL."
        )
    parameters.heartbeat = _HEARTBEAT_SECONDS
    parameters.blocked_connection_timeout = 2 * _HEARTBEAT_SECONDS
    parameters.socket_timeout = parameters.stack_timeout = _SOCKET_SECONDS
    parameters.client_properties = {"connection_name": f"lark_provider {os.getpid()}"}
    return Broker(parameters, known)


def _from_url(text: str, setting: str) -> pika.ConnectionParameters:
    found: pika.ConnectionParameters | None = None
    if re.match(r"amqps?://[^/]", text):
        with suppress(ValueError, TypeError):
            found = cast("pika.ConnectionParameters", pika.URLParameters(text))  # the stubs keep them apart
    if found is None:
        raise ConfigurationError(
            f"{setting} is no URL of a RabbitMQ. Next: write it as amqp://user:password@host:5672/vhost, or "
            "amqps://… for TLS, with special characters percent-encoded."
        )
    return found


def _from_parts(environ: Mapping[str, str]) -> pika.ConnectionParameters:
    def read(name: str, default: str) -> str:
        return environ.get(f"RABBITMQ_{name}", "").strip() or default

    tls = read("TLS", "false").lower() in {"1", "true", "yes"}
    host, port = read("HOST", "localhost"), read("PORT", str(_TLS_PORT if tls else _PORT))
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise ConfigurationError(f"RABBITMQ_PORT is {port!r}. Next: set it to a number, usually {_PORT}.")
    login = pika.PlainCredentials(read("USER", "guest"), environ.get("RABBITMQ_PASSWORD", "") or "guest")
    return pika.ConnectionParameters(
        host=host,
        port=int(port),
        virtual_host=read("VHOST", "/"),
        credentials=login,
        ssl_options=pika.SSLOptions(ssl.create_default_context(), host) if tls else None,
    )


@contextmanager
def channel(on: Broker) -> Iterator[tuple[BlockingConnection, BlockingChannel]]:
    """A connection and a channel with everything declared, in this thread.

    Raises:
        BrokerError: The broker is away, refuses us, or has a queue of the name with other arguments.
    """
    try:
        connection = BlockingConnection(on.parameters)
        try:
            opened = connection.channel()
            declare(opened, on.queue_type)
            yield connection, opened
        finally:
            if connection.is_open:
                connection.close()
    except (AMQPError, OSError) as error:
        raise failure(on, error) from error


def ping(on: Broker) -> None:
    """Log in and out again; nothing is declared.

    Raises:
        BrokerError: The broker is away, or refuses us.
    """
    try:
        BlockingConnection(on.parameters).close()
    except (AMQPError, OSError) as error:
        raise failure(on, error) from error


def declare(on: BlockingChannel, kind: QueueType) -> None:
    """Make the exchange and the queues, or see that they are as we would make them."""
    for step, arguments in declarations(kind):
        getattr(on, step)(**arguments)


def declarations(kind: QueueType) -> list[tuple[str, dict[str, Any]]]:
    """The methods of a channel that make everything, in order, with their arguments."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("exchange_declare", {"exchange": EXCHANGE, "exchange_type": "topic", "durable": True}),
        ("queue_declare", {"queue": DEAD, "durable": True, "arguments": {"x-queue-type": kind}}),
    ]
    for queue in (CARDS, EVENTS):
        steps += _declared(queue, kind)
    return steps


def _declared(queue: Queue, kind: QueueType) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("queue_declare", {"queue": queue.name, "durable": True, "arguments": queue.arguments(kind)}),
        ("queue_bind", {"queue": queue.name, "exchange": EXCHANGE, "routing_key": queue.binding}),
    ]


def failure(on: Broker, error: BaseException) -> BrokerError:
    """Say what an error of pika's means to whoever runs this."""
    if isinstance(error, ChannelClosedByBroker) and error.reply_code == PRECONDITION_FAILED:
        found = _MISMATCH.search(error.reply_text)
        if found:
            what, kind, name, ours, theirs = found.groups()
            return BrokerError(
                f"{on}: {kind} {name!r} exists with {what} = {theirs.strip()}, and is wanted with {ours}. "
                "Next: delete it when it is empty, or set RABBITMQ_QUEUE_TYPE to what it is."
            )
    # pika's own words are often empty, and what it wraps says more.
    reason = " ".join(redact(str(error) or " ".join(map(repr, error.args)) or "no reason given").split())
    return BrokerError(
        f"{on} cannot be used: {type(error).__name__}: {reason}. Next: check that it runs, and host, port, "
        "user, password, virtual host and TLS."
    )


def persistent(event_id: str, headers: Mapping[str, str] | None = None) -> pika.BasicProperties:
    """The properties of a message that outlives the broker's restart."""
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=event_id,
        headers=dict(headers or {}),
    )
