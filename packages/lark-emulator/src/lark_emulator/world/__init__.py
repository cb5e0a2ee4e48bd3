"""What the emulator holds: a tenant with its apps, members, chats, bases and documents. It serves no API."""

from __future__ import annotations
