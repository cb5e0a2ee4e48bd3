"""RabbitMQ for the tests: one shared broker with a virtual host for each test, and nodes of a test's own."""

from __future__ import annotations

import functools
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from tests.services import compose, vhosts
from tests.services.binaries import RABBITMQ_FOLDERS, program
from tests.services.finding import Candidate, Found, UnavailableError, first
from tests.services.processes import (
    HOST,
    OwnServer,
    find_unprivileged,
    free_port,
    give,
    listens,
    private_folder,
)
from tests.services.vhosts import ManagementApi, VirtualHosts

DEFAULT_PORT = 5672
MANAGEMENT_PORT = 15672
NEXT_STEP = (
    "install RabbitMQ (Debian, Ubuntu: apt-get install rabbitmq-server), or set RABBITMQ_URL to a broker "
    "with the management plugin and a user who may make virtual hosts."
)
NO_CONNECTION = (AMQPError, AMQPConnectorException, OSError)  # what pika raises has no common base
_MANAGEMENT = "rabbitmq_management"
_TRUE = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class RabbitServer:
    """A broker on which the tests may make virtual hosts; `url` is that of an existing one."""

    url: str
    vhosts: VirtualHosts

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        with connect(self.url) as connection:
            version = connection._impl.server_properties["version"]  # type: ignore[attr-defined]
        return f"RabbitMQ {version} at {parts.hostname}:{parts.port}"

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Make a virtual host, yield its URL, and delete it afterwards."""
        name = f"lark_test_{secrets.token_hex(8)}"
        self.vhosts.add(name)
        try:
            yield urlsplit(self.url)._replace(path=f"/{name}").geturl()
        finally:
            self.vhosts.delete(name)


class OwnRabbit(OwnServer):
    """A node of a test's own, on loopback, with user guest; what is durable survives restarts."""

    name = "RabbitMQ"

    def __init__(
        self, settings: Mapping[str, str] = {}, files: Mapping[str, str] = {}, plugins: tuple[str, ...] = ()
    ) -> None:
        self._server = program("rabbitmq-server", package="rabbitmq-server", folders=RABBITMQ_FOLDERS)
        user = find_unprivileged("rabbitmq")
        super().__init__(private_folder("rabbitmq", user), free_port(), user)
        self.url = f"amqp://guest:guest@{HOST}:{self.port}/%2F"
        self._epmd = own_epmd()
        self._distribution_port = free_port()
        lines = {"listeners.tcp.default": f"{HOST}:{self.port}", **settings}
        config = "".join(f"{name} = {value}\n" for name, value in lines.items())
        give(self.folder, {"rabbitmq.conf": config, "plugins": f"[{','.join(plugins)}].", **files}, user)

    def command(self) -> list[str | Path]:
        """Return the command that runs RabbitMQ's own script."""
        return [self._server]

    def environment(self) -> dict[str, str]:
        """Return an environment with ports, names and folders of its own, so that it meets no other node."""
        return {
            **super().environment(),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(self._epmd.port),
            "RABBITMQ_NODENAME": f"lark{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RUNNING_UNDER_SYSTEMD": "1",  # its script becomes the node, instead of waiting for it
        }

    def ready(self) -> bool:
        """Return whether a client can log in; the port is tried first, since pika logs failures at length."""
        if not listens(self.port):
            return False
        try:
            connect(self.url).close()
        except NO_CONNECTION:
            return False
        return True

    def stop(self) -> None:
        """Stop it in good order."""
        self.end(signal.SIGTERM)


class _Epmd(OwnServer):
    """Erlang's port mapper in the foreground: one that a node starts would outlive it."""

    name = "epmd"

    def command(self) -> list[str | Path]:
        """Return the command that runs epmd."""
        epmd = program("epmd", package="rabbitmq-server")
        return [epmd, "-port", str(self.port), "-address", HOST]

    def ready(self) -> bool:
        """Return whether it listens."""
        return listens(self.port)


@functools.cache
def own_epmd() -> _Epmd:
    """Start the port mapper of all nodes of this process, once."""
    user = find_unprivileged("rabbitmq")
    return _Epmd(private_folder("epmd", user), free_port(), user).start()


def connect(url: str) -> pika.BlockingConnection:
    """Connect with deadlines short enough for a broker on the same machine."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = 5
    return pika.BlockingConnection(parameters)


def find(environ: Mapping[str, str]) -> Found[RabbitServer]:
    """Find the RabbitMQ of this test run."""
    return first("RabbitMQ", candidates(environ, DEFAULT_PORT), NEXT_STEP)


def candidates(environ: Mapping[str, str], port: int) -> list[Candidate[RabbitServer]]:
    """Return the ways to RabbitMQ in their order."""
    named = [Candidate(name, partial(_usable, url)) for name, url in urls_named_by(environ).items()]
    return [
        *named,
        Candidate("default port", partial(_usable, f"amqp://guest:guest@{HOST}:{port}/%2F")),
        Candidate("started for this run", _start),
        Candidate("Docker Compose", _start_composed),
    ]


def urls_named_by(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the brokers that the environment names, by the variable that does."""
    urls = {}
    if url := environ.get("RABBITMQ_URL"):
        urls["RABBITMQ_URL"] = url
    names = [
        name
        for name in ("HOST", "PORT", "USER", "PASSWORD", "VHOST", "TLS")
        if environ.get(f"RABBITMQ_{name}")
    ]
    if names:
        settings = {name: environ[f"RABBITMQ_{name}"] for name in names}
        tls = settings.get("TLS", "").lower() in _TRUE
        login = ":".join(quote(settings.get(name, "guest"), safe="") for name in ("USER", "PASSWORD"))
        address = (
            f"{settings.get('HOST', 'localhost')}:{settings.get('PORT', '5671' if tls else DEFAULT_PORT)}"
        )
        vhost = quote(settings.get("VHOST", "/"), safe="")
        urls[f"RABBITMQ_{names[0]}"] = f"{'amqps' if tls else 'amqp'}://{login}@{address}/{vhost}"
    return urls


def _usable(url: str) -> RabbitServer:
    """Log in, and find a way to make virtual hosts: without one, tests would meet each other's queues."""
    try:
        connect(url).close()
    except NO_CONNECTION as error:
        raise UnavailableError(f"no login ({type(error).__name__})") from None
    server = RabbitServer(url, _make_vhosts(url))
    try:
        with server.vhost() as trial:
            connect(trial).close()
    except NO_CONNECTION:
        raise UnavailableError("its virtual hosts are made at another broker") from None
    return server


def _make_vhosts(url: str) -> VirtualHosts:
    parts = urlsplit(url)
    host, user = parts.hostname or HOST, unquote(parts.username or "guest")
    try:
        return ManagementApi(host, MANAGEMENT_PORT, user, unquote(parts.password or "guest"))
    except UnavailableError:
        if host not in {HOST, "localhost"}:
            raise
    return vhosts.of_local_node(user)


def _start() -> RabbitServer:
    management = free_port()
    listener = {"management.tcp.ip": HOST, "management.tcp.port": str(management)}
    node = OwnRabbit(listener, plugins=(_MANAGEMENT,)).start()
    return RabbitServer(node.url, ManagementApi(HOST, management, "guest", "guest"))


def _start_composed() -> RabbitServer:
    compose.up("rabbitmq")
    port, management = compose.port("rabbitmq", DEFAULT_PORT), compose.port("rabbitmq", MANAGEMENT_PORT)
    url = f"amqp://{compose.USER}:{compose.PASSWORD}@{HOST}:{port}/%2F"
    return RabbitServer(url, ManagementApi(HOST, management, compose.USER, compose.PASSWORD))
