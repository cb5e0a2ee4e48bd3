"""A local Lark / Feishu server for development and tests.

It imports nothing of the product, so that a mistake shared by both cannot cancel itself out: what it
answers rests on Lark's documentation and on the official SDK, which the conformance tests drive unchanged.
``docs/emulator-coverage.md`` lists what is emulated and what each endpoint rests on.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.emulator.runner import Emulator
    from lark_provider.emulator.serving import serve

__all__ = ["Emulator", "serve"]


def __getattr__(name: str) -> object:
    """Load the server only when it is asked for: it needs the extra ``emulator``."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from lark_provider.emulator import runner, serving  # noqa: PLC0415 - lazy by design, see above
    except ModuleNotFoundError as error:
        if error.name not in {"httptools", "orjson"}:
            raise
        raise ImportError(
            f"The emulator needs {error.name}: pip install 'airflow-provider-lark[emulator]'"
        ) from error
    return getattr(serving if name == "serve" else runner, name)
