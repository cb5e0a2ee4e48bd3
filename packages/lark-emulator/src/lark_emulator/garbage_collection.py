"""Python's collector of cyclic garbage, which otherwise looks at a million records again and again."""

from __future__ import annotations

import gc
import time
from typing import TypeVar

T = TypeVar("T")

#: A full collection that took longer is not repeated for the objects that it has looked at.
MAX_S = 0.005
_FULL = 2
#: Items of a list that are looked at in much less than a millisecond.
_FEW = 1000


def hide_list(items: list[T]) -> list[T]:
    """Take a long list, whose items do not lead back to it, out of the collector's sight, and return it.

    A collection of young objects, which is due at any time, looks at all items of a list that is new: with a
    million of them it takes 60 ms. The list is freed as ever.
    """
    if len(items) > _FEW:
        import ctypes  # takes some milliseconds to load

        ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(items))
    return items


class Collector:
    """Keeps full collections short, in a process that is the emulator's own.

    A full collection looks at all objects, and a million records stop the process for a fifth of a second. So
    what has outlived a long one is not looked at again: it is freed when nothing refers to it any more, as
    ever, but not if it comes to lie in a cycle.
    """

    def __init__(self) -> None:
        self._began = 0.0

    def install(self) -> None:
        """Start observing collections."""
        gc.callbacks.append(self._on_collection)

    def remove(self) -> None:
        """Stop observing, and let collections examine all objects again."""
        gc.callbacks.remove(self._on_collection)
        gc.unfreeze()

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != _FULL:
            return
        if phase == "start":
            self._began = time.thread_time()
        elif time.thread_time() - self._began > MAX_S:
            gc.freeze()
