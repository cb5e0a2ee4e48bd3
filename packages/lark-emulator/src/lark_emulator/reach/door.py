"""How a listening emulator answers: plain HTTP, HTTP over TLS, or as a forward proxy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lark_emulator.extras import require_cryptography
from lark_emulator.reach.authority import Authority, get_default_folder
from lark_emulator.reach.hosts import CERTIFIED, is_loopback
from lark_emulator.reach.proxy import ForwardProxy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from lark_emulator.lark import Lark
    from lark_emulator.server import Handler


@dataclass(frozen=True, slots=True)
class Door:
    """What is asked for besides plain HTTP.

    Args:
        tls: Whether to listen with TLS.
        proxy: Whether to be a forward proxy, which intercepts tunnels to Lark's hosts.
        passes: Whether that proxy passes tunnels to other hosts through.
        authority: The folder of the authority that signs the certificate; None = below the user's own data.
    """

    tls: bool = False
    proxy: bool = False
    passes: bool = False
    authority: Path | None = None

    def check(self, host: str) -> None:
        """Check that this can be had together, and on this address.

        Raises:
            MissingExtraError: what makes certificates is not installed.
            ValueError: the text says what cannot be.
        """
        if self.tls and self.proxy:
            raise ValueError(
                "a forward proxy is spoken to over plain HTTP; what it intercepts is TLS anyway. Next: leave "
                "out --tls or --proxy"
            )
        if self.passes and not self.proxy:
            raise ValueError("--proxy-passthrough goes with --proxy. Next: give both, or neither")
        if self.proxy and not is_loopback(host):
            raise ValueError(
                f"a forward proxy listens on loopback only, not on {host!r}: others could send their traffic "
                "through it. Next: leave out --host, or --proxy"
            )
        if self.tls or self.proxy:
            require_cryptography("TLS" if self.tls else "a forward proxy")

    def open(self) -> Authority:
        """Return its authority, made if it is not there.

        Raises:
            ValueError: the authority cannot be used.
            OSError: its folder cannot be read or written.
        """
        return Authority(self.authority or get_default_folder())

    def fit(
        self, handler: Handler, lark: Lark, names: Iterable[str]
    ) -> tuple[Handler, ssl.SSLContext | None]:
        """Return what answers, and with which certificate the emulator listens.

        Args:
            handler: The handler of requests for the emulator itself.
            lark: The emulator whose requests are answered.
            names: The host names of the emulator, for its certificate.
        """
        if self.proxy:
            context = self.open().make_context(CERTIFIED)
            return ForwardProxy(handler, lark, context, passes=self.passes), None
        if self.tls:
            return handler, self.open().make_context(names)
        return handler, None
