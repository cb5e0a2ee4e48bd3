"""Wrong use that the parser cannot see."""

from __future__ import annotations

from lark_provider.errors import LarkError


class WrongUseError(LarkError):
    """The command cannot be run with these arguments here; ends with exit code 2."""
