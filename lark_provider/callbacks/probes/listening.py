"""A socket to listen on, bound before anything is started."""

from __future__ import annotations

import socket

from lark_provider.protocol.errors import ConfigurationError

_MAX_PORT = 65535


def bind(host: str, port: int, option: str = "--port", host_option: str = "--host") -> socket.socket:
    """Return a socket that is bound to an address of either family, and does not listen yet.

    Args:
        host: The address, IPv4 or IPv6, or a name.
        port: The port; 0 for a free one.
        option: What sets the port, for the error.
        host_option: What sets the host, for the error.

    Raises:
        ConfigurationError: The port is invalid or taken, or the host is unknown here.
    """
    if not 0 <= port <= _MAX_PORT:  # the resolver would take it modulo 65536
        raise ConfigurationError(
            f"The port must be a number from 0 to {_MAX_PORT}, got {port}. Next: choose another {option}."
        )
    listener: socket.socket | None = None
    try:
        addrinfos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # `localhost` may be both ::1 and 127.0.0.1; by name, IPv4 is what proxies are pointed at.
        family, _, _, _, address = min(addrinfos, key=lambda addrinfo: addrinfo[0] != socket.AF_INET)
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigurationError(
            f"Cannot listen on {format_host(host)}:{port}: {error.strerror}. Next: choose another {option} "
            f"or {host_option}."
        ) from None
    return listener


def format_host(host: str) -> str:
    """Return a host as a URL has it."""
    return f"[{host}]" if ":" in host else host
