"""The web page at `/`: what the emulator holds, as people would see it in Lark, and the controls of tests.

`files` serves the page itself, `live` tells open pages that something has happened, `chats`, `tables` and
`requests` are what they then ask for, in windows, so that a million records are never sent at once.
"""

from __future__ import annotations

PREFIX = "/_page/"
"""Where all of it is, besides `/`."""
