"""Virtual hosts of a RabbitMQ, made through its management API or, without that, inside its node."""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
import pwd
import socket
import subprocess
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from tests.services.binaries import program
from tests.services.finding import UnavailableError
from tests.services.processes import as_user, at_exit, unprivileged


class VirtualHosts(Protocol):
    """Makes and deletes virtual hosts."""

    def add(self, name: str) -> None:
        """Create a virtual host in which the tests' user may do everything."""

    def delete(self, name: str) -> None:
        """Delete a virtual host with all that is in it; its connections are closed."""


class ManagementApi:
    """RabbitMQ's management plugin, asked over HTTP."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._address = (host, port)
        self._user = user
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        self._ask("GET", "/api/vhosts")

    def add(self, name: str) -> None:
        """Create a virtual host in which the user may do everything."""
        self._ask("PUT", f"/api/vhosts/{name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._ask("PUT", f"/api/permissions/{name}/{quote(self._user, safe='')}", json.dumps(everything))

    def delete(self, name: str) -> None:
        """Delete a virtual host."""
        self._ask("DELETE", f"/api/vhosts/{name}")

    def _ask(self, method: str, path: str, body: str | None = None) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"no management API ({error})") from None
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise UnavailableError(f"the management API answers {response.status} to {method} {path}")


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
        account = unprivileged("rabbitmq")
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
        rights = f'[<<"{self._user}">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"{self._user}">>]'
        self._call("rabbit_auth_backend_internal", "set_permissions", rights)

    def delete(self, name: str) -> None:
        """Delete a virtual host."""
        self._call("rabbit_vhost", "delete", f'[<<"{name}">>, <<"{self._user}">>]')

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


@functools.cache
def of_local_node(user: str) -> ErlangNode:
    """The virtual hosts of the node that RabbitMQ's package starts on this machine."""
    try:
        return ErlangNode("rabbit@localhost", user)
    except UnavailableError:
        return ErlangNode(f"rabbit@{socket.gethostname().partition('.')[0]}", user)
