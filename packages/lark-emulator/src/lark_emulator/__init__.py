"""A local Lark / Feishu server for development and tests.

It shares no code with the clients that are tested against it, so that a mistake shared by both cannot cancel
itself out: what it answers rests on Lark's documentation and on the official SDK, which the conformance tests
drive unchanged. ``docs/en/coverage.md`` lists what is emulated and what each endpoint rests on.
"""

from __future__ import annotations

__version__ = "1.0.0rc1"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_emulator.extras import MissingExtraError
    from lark_emulator.faults import Fault
    from lark_emulator.runner import Emulator
    from lark_emulator.serving import serve
    from lark_emulator.stubs.stub import Stub

__all__ = ["Emulator", "Fault", "MissingExtraError", "Stub", "__version__", "serve"]

_HOMES = {
    "Emulator": "runner",
    "Fault": "faults",
    "MissingExtraError": "extras",
    "Stub": "stubs.stub",
    "serve": "serving",
}


def __getattr__(name: str) -> object:
    """Load the server only when it is asked for, so that the package itself imports in no time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
