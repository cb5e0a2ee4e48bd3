"""The long connection: events and card callbacks over a WebSocket that the app has opened."""

from __future__ import annotations
