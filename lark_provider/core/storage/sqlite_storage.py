"""The registry under the name that the deployment guide uses; see `applications`."""

from __future__ import annotations

from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.registry import Application
from lark_provider.storage.sealing import AppSecrets

__all__ = ["AppSecrets", "Application", "ApplicationManager"]
