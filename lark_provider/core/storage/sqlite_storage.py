"""The registry under the name that the deployment guide uses; see `applications`."""

from __future__ import annotations

from lark_provider.core.storage.applications import Application, ApplicationManager
from lark_provider.core.storage.registry import AppSecrets

__all__ = ["AppSecrets", "Application", "ApplicationManager"]
