"""RabbitMQ by pika: where the broker is, and what its errors mean."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import pika
from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker

from lark_provider.callbacks.broker.topology import QUEUE_TYPES, QueueLimits, QueueType
from lark_provider.config import has_broker, read_port
from lark_provider.protocol.callbacks import BrokerError
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact
from lark_provider.support.environment import ENVIRONMENT, parse_flag
from lark_provider.support.secret import Secret
from lark_provider.support.text import is_unicode

if TYPE_CHECKING:
    from lark_provider.callbacks.broker.io_services import LoopServices

# pika logs each failure several times, with tracebacks; our errors have it once, with the next step.
if logging.getLogger("pika").level == logging.NOTSET:
    logging.getLogger("pika").setLevel(logging.CRITICAL)

CA_VARIABLE = "RABBITMQ_CA"
_PORT, _TLS_PORT = 5672, 5671
_HEARTBEAT_SECONDS = 20
_SOCKET_SECONDS = 5.0
_MISMATCH = re.compile(
    r"inequivalent arg '([^']+)' for (\w+) '([^']+)' in vhost '[^']*': received (.+?) but current is (.+)"
)
_PRECONDITION_FAILED = 406
_MAX_DIGITS = 12
_MAX_NAME_LENGTH = 255  # bytes of a short string in AMQP
_PIKA = "pika>=1.3,<1.5"


@dataclass(frozen=True, slots=True)
class Broker:
    """The address of RabbitMQ.

    Attributes:
        parameters: The parameters of pika connections to it, with host and credentials.
        queue_type: The type of its queues: `quorum` or `classic`.
        limits: How many messages its queues may hold.
    """

    parameters: pika.ConnectionParameters = field(repr=False)
    queue_type: QueueType = "quorum"
    limits: QueueLimits = field(default_factory=QueueLimits)

    def __str__(self) -> str:
        where = self.parameters
        return f"RabbitMQ at {where.host}:{where.port}, virtual host {where.virtual_host!r}"


def read_broker(url: str | None = None, environ: Mapping[str, str] = ENVIRONMENT) -> Broker:
    """Find the broker: the argument, `RABBITMQ_URL`, then `RABBITMQ_HOST`, `_PORT`, `_USER`, ….

    `amqps://` or `RABBITMQ_TLS=true` encrypts; `RABBITMQ_CA` is the file of a certificate authority that is
    trusted as well as the system's. `RABBITMQ_QUEUE_TYPE` is `quorum` or, for a single node, `classic`.
    `RABBITMQ_MAX_CLICKS`, `_MAX_EVENTS` and `_MAX_DEAD_LETTERS` are the `QueueLimits`.

    Args:
        url: `amqp://user:password@host:5672/vhost`, or `amqps://…`.
        environ: The environment.

    Raises:
        ConfigurationError: Nothing is configured, a part is invalid, or the installed pika cannot be used.
    """
    url = Secret.of(url)  # Error reporters print the arguments of a function.
    _load_adapter()
    kind = environ.get("RABBITMQ_QUEUE_TYPE", "").strip().lower() or QUEUE_TYPES[0]
    known: QueueType | None = next((queue_type for queue_type in QUEUE_TYPES if queue_type == kind), None)
    if known is None:
        raise ConfigurationError(
            f"RABBITMQ_QUEUE_TYPE must be quorum or classic, got {kind!r}. Next: unset it for quorum queues."
        )
    text = url or Secret(environ.get("RABBITMQ_URL", "").strip())
    if text:
        parameters = _from_url(text, "the broker's URL" if url else "RABBITMQ_URL", environ)
    elif has_broker(environ=environ):
        parameters = _from_parts(environ)
    else:
        raise ConfigurationError(
            "RabbitMQ must be configured, got no setting. Next: set RABBITMQ_HOST, RABBITMQ_USER and "
            "RABBITMQ_PASSWORD, or RABBITMQ_URL."
        )
    _check_names(parameters)
    parameters.heartbeat = _HEARTBEAT_SECONDS
    parameters.socket_timeout = parameters.stack_timeout = _SOCKET_SECONDS
    parameters.client_properties = {"connection_name": f"lark_provider {os.getpid()}"}
    return Broker(parameters, known, _read_limits(environ))


def find_broker(url: str | None = None) -> Broker | None:
    """Find the broker as `read_broker` does; return None if none is configured.

    Args:
        url: `amqp://user:password@host:5672/vhost`, or `amqps://…`; None for the settings of the environment.

    Raises:
        ConfigurationError: As for `read_broker`, but not where nothing is configured.
    """
    url = Secret.of(url)
    return read_broker(url) if has_broker(url) else None


def make_services(loop: asyncio.AbstractEventLoop) -> LoopServices:
    """Return the event loop, as a connection of pika's uses it.

    Args:
        loop: The running event loop.

    Raises:
        ConfigurationError: The installed pika cannot be used.
    """
    return _load_adapter()(loop)


def _load_adapter() -> type[LoopServices]:
    """Load the adapter, which relies on pika internals that a later version may rename."""
    try:
        from lark_provider.callbacks.broker.io_services import LoopServices
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"pika must be {_PIKA.removeprefix('pika')}, got {metadata.version('pika')}: {error}. Next: pip "
            f"install '{_PIKA}', and report this."
        ) from error
    return LoopServices


def _from_url(text: str, setting: str, environ: Mapping[str, str]) -> pika.ConnectionParameters:
    # An "@" behind the host is the end of a password that was not encoded: most of it would be shown.
    parameters: pika.ConnectionParameters | None = None
    if re.fullmatch(r"amqps?://[^/?#]+(?:[/?#][^@]*)?", text):
        try:
            # pika reads options as literals of Python. SyntaxError and AttributeError: one is something else.
            with suppress(ValueError, TypeError, SyntaxError, AttributeError):
                # The stubs keep the two types apart.
                parameters = cast("pika.ConnectionParameters", pika.URLParameters(text))
        except OSError as error:
            raise ConfigurationError(
                f"{setting} must name certificates and keys that can be read in ssl_options, got "
                f"{error.strerror or error}. Next: correct their paths; {CA_VARIABLE} names an authority "
                "without ssl_options."
            ) from None
    if parameters is None:
        raise ConfigurationError(
            f"{setting} must be an AMQP URL, got another text. Next: write it as "
            "amqp://user:password@host:5672/vhost, or amqps://… for TLS, with special characters "
            "percent-encoded."
        )
    if parameters.ssl_options is not None and "ssl_options=" not in text:
        parameters.ssl_options = _make_tls_options(parameters.host, environ)
    return parameters


def _from_parts(environ: Mapping[str, str]) -> pika.ConnectionParameters:
    def read(name: str, default: str) -> str:
        return environ.get(f"RABBITMQ_{name}", "").strip() or default

    tls = read("TLS", "").lower()
    uses_tls = parse_flag(tls)
    if uses_tls is None:
        raise ConfigurationError(
            f"RABBITMQ_TLS must be true or false, got {tls!r}. Next: set it to true for a TLS port such as "
            f"{_TLS_PORT}, or unset it."
        )
    host, port = (
        read("HOST", "localhost"),
        read_port("RABBITMQ_PORT", _TLS_PORT if uses_tls else _PORT, environ),
    )
    password = Secret(environ.get("RABBITMQ_PASSWORD", "") or "guest")
    login = pika.PlainCredentials(read("USER", "guest"), password)
    return pika.ConnectionParameters(
        host=host,
        port=port,
        virtual_host=read("VHOST", "/"),
        credentials=login,
        ssl_options=_make_tls_options(host, environ) if uses_tls else None,
    )


def _check_names(parameters: pika.ConnectionParameters) -> None:
    """Check what pika encodes only once it connects, and in the middle of it."""
    try:
        parameters.host.encode("idna")
    except UnicodeError:
        raise ConfigurationError(
            f"RabbitMQ's host must be a host name, got {parameters.host!r}. Next: correct "
            "RABBITMQ_HOST or the URL."
        ) from None
    login = parameters.credentials
    assert isinstance(login, pika.PlainCredentials)  # noqa: S101 - both ways to configure it make these
    if not all(map(is_unicode, (login.username, login.password, parameters.virtual_host))):
        raise ConfigurationError(
            "RabbitMQ's user, password and virtual host must be UTF-8, got other bytes. Next: set them again."
        )


def _read_limits(environ: Mapping[str, str]) -> QueueLimits:
    limits = {}
    for name in ("clicks", "events", "dead_letters"):
        variable = f"RABBITMQ_MAX_{name.upper()}"
        if text := environ.get(variable, "").strip():
            if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
                raise ConfigurationError(
                    f"{variable} must be a number of messages, or 0 for no limit, got {text!r}. Next: "
                    "set it to a number such as 100000, or unset it."
                )
            limits[name] = int(text)
    return QueueLimits(**limits)


def _make_tls_options(host: str, environ: Mapping[str, str]) -> pika.SSLOptions:
    context = ssl.create_default_context()
    if authority := environ.get(CA_VARIABLE, "").strip():
        try:
            context.load_verify_locations(cafile=authority)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"{CA_VARIABLE} must be a file of certificates, got {authority!r}: "
                f"{error.strerror or error}. Next: name a file with the authority's certificate, in PEM."
            ) from None
    return pika.SSLOptions(context, host)


def ping(on: Broker) -> None:
    """Log in and out again; nothing is declared.

    Args:
        on: The broker.

    Raises:
        BrokerError: The broker is unreachable, or rejects the login.
    """
    try:
        BlockingConnection(on.parameters).close()
    except (AMQPError, OSError) as error:
        raise make_broker_error(on, error) from error


def make_broker_error(on: Broker, error: BaseException) -> BrokerError:
    """Return what an error of pika's means to an operator, with the next step.

    Args:
        on: The broker.
        error: The error, in which pika may have wrapped others.
    """
    if isinstance(error, ChannelClosedByBroker) and error.reply_code == _PRECONDITION_FAILED:
        match = _MISMATCH.search(error.reply_text)
        if match:
            what, kind, name, expected, actual = match.groups()
            return BrokerError(
                f"{on}: {kind} {name!r} has {what} = {actual.strip()}, not {expected}. "
                "Next: delete it when it is empty, or set RABBITMQ_QUEUE_TYPE to what it is."
            )
    cause = _find_innermost(error)
    reason = " ".join(redact(str(cause)).split()).rstrip(".")
    return BrokerError(
        f"Cannot connect to {on}: {type(cause).__name__}{reason and f': {reason}'}. Next: check "
        f"that it runs, and host, port, user, password, virtual host and TLS ({CA_VARIABLE} for an authority "
        "of your own)."
    )


def _find_innermost(error: BaseException) -> BaseException:
    """Return the error that pika has wrapped, often several times and without a text of its own."""
    while True:
        held = (*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args)
        inner = [candidate for candidate in held if isinstance(candidate, BaseException)]
        if not inner:
            return error
        error = inner[0]


def make_persistent_properties(
    event_id: str, headers: Mapping[str, Any] | None = None, expires: float | None = None
) -> pika.BasicProperties:
    """Return the properties of a message that survives a restart of the broker.

    Args:
        event_id: The message id; a long one is cut.
        headers: Sent with it.
        expires: Seconds after which it may be dropped from its queue; None for never.
    """
    name = event_id.encode()[:_MAX_NAME_LENGTH].decode(errors="ignore")
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=name,
        headers=dict(headers or {}),
        expiration=None if expires is None else str(int(expires * 1000)),
    )
