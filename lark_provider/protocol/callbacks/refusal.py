"""What goes wrong on the way from Lark to here."""

from __future__ import annotations

from lark_provider.protocol.errors import LarkError, TransportError


class CallbackRefusedError(LarkError):
    """What came to a callback URL is not taken for Lark's.

    The text is for the log of whoever runs the URL, and has nothing of the body and no key in it. Who sent
    the request is told the status and no more: reasons would help to guess.

    Attributes:
        status: The HTTP status to answer, 400 to 499.
    """

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class BrokerError(TransportError):
    """RabbitMQ is away, or refuses us."""
