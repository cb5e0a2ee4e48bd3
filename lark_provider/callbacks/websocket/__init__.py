"""The long connection: clicks and events where no public address exists."""

from __future__ import annotations
