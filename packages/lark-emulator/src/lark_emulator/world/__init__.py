"""What the emulator holds: a tenant with its apps, members, chats, bases and documents. It answers nobody."""

from __future__ import annotations
