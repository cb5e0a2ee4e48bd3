"""Virtual hosts of a RabbitMQ, made through its management API or, without that, inside its node."""

from __future__ import annotations

import functools
import json
import os
import pwd
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import httpx

from tests.services.binaries import program
from tests.services.finding import UnavailableError
from tests.services.processes import as_user, at_exit, find_unprivileged


class VirtualHosts(Protocol):
    """Makes and deletes virtual hosts."""

    def add(self, name: str) -> None:
        """Create a virtual host in which the tests' user may do everything."""

    def delete(self, name: str) -> None:
        """Delete a virtual host with all that is in it; its connections are closed."""

    def set_rights(self, vhost: str, configure: str, write: str, read: str) -> None:
        """Set the rights of the tests' user, as `rabbitmqctl set_permissions` does."""

    def set_policy(self, vhost: str, name: str, pattern: str, definition: Mapping[str, object]) -> None:
        """Set a policy for queues, as `rabbitmqctl set_policy --apply-to queues` does."""


class ManagementApi:
    """RabbitMQ's management plugin, over HTTP."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._url = f"http://{host}:{port}/api"
        self._request("GET", "/vhosts")

    def add(self, name: str) -> None:
        """Create a virtual host in which the user may do everything."""
        self._request("PUT", f"/vhosts/{name}")
        self.set_rights(name, ".*", ".*", ".*")

    def delete(self, name: str) -> None:
        """Delete a virtual host."""
        self._request("DELETE", f"/vhosts/{name}")

    def set_rights(self, vhost: str, configure: str, write: str, read: str) -> None:
        """Set the user's rights."""
        rights = {"configure": configure, "write": write, "read": read}
        self._request("PUT", f"/permissions/{vhost}/{quote(self._user, safe='')}", rights)

    def set_policy(self, vhost: str, name: str, pattern: str, definition: Mapping[str, object]) -> None:
        """Set a policy for queues."""
        policy = {"pattern": pattern, "definition": definition, "apply-to": "queues"}
        self._request("PUT", f"/policies/{vhost}/{name}", policy)

    def _request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        try:
            response = httpx.request(
                method,
                self._url + path,
                json=body,
                auth=(self._user, self._password),
                timeout=10,
                trust_env=False,  # no proxy
            )
        except httpx.TransportError as error:
            raise UnavailableError(f"no management API ({error})") from None
        if response.is_error:
            raise UnavailableError(f"the management API answers {response.status_code} to {method} {path}")


class ErlangNode:
    """A node on this machine, called from an Erlang of our own beside it.

    It does what rabbitmqctl does, but stays: rabbitmqctl takes half a second for each call. Its user must own
    the node's cookie, so as root it runs as RabbitMQ's user.
    """

    _SERVE = """
        Node = list_to_atom(hd(init:get_plain_arguments())),
        (fun Serve() ->
            case io:get_line("") of
                Line when is_list(Line) ->
                    {ok, Tokens, _} = erl_scan:string(Line),
                    {ok, {Module, Function, Arguments}} = erl_parse:parse_term(Tokens),
                    io:format("~0tp~n", [rpc:call(Node, Module, Function, Arguments)]),
                    Serve();
                _ -> halt()
            end
        end)()
    """

    def __init__(self, node: str, user: str) -> None:
        self._user = user
        account = find_unprivileged("rabbitmq")
        home = pwd.getpwnam(account).pw_dir if account else str(Path.home())
        name = f"lark_tests_{os.getpid()}_{node.replace('@', '_')}@localhost"
        self._erlang = subprocess.Popen(  # noqa: S603 - a fixed command
            [
                *(program("erl", package="rabbitmq-server"), "-noshell", "-hidden", "-sname", name),
                *("-start_epmd", "false", "-eval", self._SERVE, "-extra", node),
            ],
            **as_user(account),
            cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": home},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        at_exit(self.close)
        try:
            self._call("erlang", "is_alive", "[]", expected="true")
        except UnavailableError:
            self.close()
            raise

    def add(self, name: str) -> None:
        """Create a virtual host in which the user may do everything."""
        self._call("rabbit_vhost", "add", f'[<<"{name}">>, <<"{self._user}">>]')
        self.set_rights(name, ".*", ".*", ".*")

    def delete(self, name: str) -> None:
        """Delete a virtual host."""
        self._call("rabbit_vhost", "delete", f'[<<"{name}">>, <<"{self._user}">>]')

    def set_rights(self, vhost: str, configure: str, write: str, read: str) -> None:
        """Set the user's rights."""
        words = (self._user, vhost, configure, write, read, self._user)
        self._call("rabbit_auth_backend_internal", "set_permissions", _quote(*words))

    def set_policy(self, vhost: str, name: str, pattern: str, definition: Mapping[str, object]) -> None:
        """Set a policy for queues."""
        words = (vhost, name, pattern, json.dumps(definition), "0", "queues", self._user)
        self._call("rabbit_policy", "parse_set", _quote(*words))

    def close(self) -> None:
        """End the Erlang beside the node, not the node."""
        with self._erlang:
            self._erlang.kill()

    def _call(self, module: str, function: str, arguments: str, expected: str = "ok") -> None:
        assert self._erlang.stdin is not None
        assert self._erlang.stdout is not None
        try:
            self._erlang.stdin.write(f"{{{module}, {function}, {arguments}}}.\n")
            self._erlang.stdin.flush()
            answer = self._erlang.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if answer != expected:
            raise UnavailableError(f"its Erlang node answers {answer or 'nothing'} to {module}:{function}")


def _quote(*words: str) -> str:
    """Return a list of Erlang's binaries."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return "[" + ",".join(f'<<"{word}">>' for word in quoted) + "]"


@functools.cache
def of_local_node(user: str) -> ErlangNode:
    """Return the virtual hosts of the node that RabbitMQ's package starts on this machine."""
    try:
        return ErlangNode("rabbit@localhost", user)
    except UnavailableError:
        return ErlangNode(f"rabbit@{socket.gethostname().partition('.')[0]}", user)
