"""The protocol of the long connection, without I/O: discovery, frames, fragments, and when to reconnect."""

from __future__ import annotations
