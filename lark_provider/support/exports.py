"""Names of a package that are imported on first use."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def make_getattr(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return a package's `__getattr__`, which imports an exported name's module when the name is used.

    Args:
        package: The package's name.
        modules: Exported names, each with the module that defines it; one that begins with a dot is in the
            package.
    """

    def load(name: str) -> object:
        import importlib  # it costs more than all else here
        import sys

        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(modules[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
