"""The web page at `/`: what the emulator holds, as people would see it in Lark, and the controls of tests.

`service` answers at `/` and under `/_page/`, `files` serves the page itself, `live` tells open pages that
something has happened. What they then ask for is in `control.views`.
"""

from __future__ import annotations

PREFIX = "/_page/"
"""Where all of it is, besides `/`."""
