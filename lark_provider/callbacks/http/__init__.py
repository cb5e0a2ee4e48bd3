"""The gateway: what Lark sends is verified, stored and answered; adapters for web frameworks."""

from __future__ import annotations
