"""Names of hosts: those of Lark, and those of this machine."""

from __future__ import annotations

from ipaddress import ip_address

#: The domains of Lark and Feishu; their APIs, pages and long connections are in subdomains of these.
DOMAINS = ("feishu.cn", "larksuite.com", "larkoffice.com", "feishu.net", "larksuite.cn")
#: What a certificate for all of them has to name: `*` stands for one label.
CERTIFIED = tuple(name for domain in DOMAINS for name in (domain, f"*.{domain}"))


def is_larks(host: str) -> bool:
    """Return whether a host is one of Lark's that the certificate covers."""
    label, _, domain = host.lower().rstrip(".").partition(".")
    return host.lower().rstrip(".") in DOMAINS or (bool(label) and domain in DOMAINS)


def is_loopback(host: str) -> bool:
    """Return whether what listens on a host can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def split(authority: str, default_port: int) -> tuple[str, int] | None:
    """Return host and port of `host:port`, `[::1]:port` or `host`; None if it is malformed."""
    host, _, port = authority.rpartition(":") if ":" in authority.rpartition("]")[2] else (authority, "", "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):  # noqa: PLR2004
        return None
    host = host.removeprefix("[").removesuffix("]").lower()
    return (host, int(port) if port else default_port) if host and "/" not in host else None
