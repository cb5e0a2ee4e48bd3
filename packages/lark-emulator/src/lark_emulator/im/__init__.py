"""IM v1: messages, chats, members."""

from __future__ import annotations
