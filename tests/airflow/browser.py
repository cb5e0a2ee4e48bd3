"""The headless Chromium of the local Lark's tests, installed where that is allowed."""

from __future__ import annotations

from pathlib import Path

from tests.page import browser

from tests.services import binaries


class Browser(browser.Browser):
    """One page in a browser of its own.

    Args:
        profile: A folder for its profile.
    """

    def __init__(self, profile: Path) -> None:
        super().__init__(profile, binaries.chromium())
