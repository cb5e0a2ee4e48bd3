"""The control plane: what tests, consoles and people do to the emulator, over HTTP and from Python."""

from __future__ import annotations
