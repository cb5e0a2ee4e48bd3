"""Lark / Feishu for Apache Airflow and for plain Python."""

from __future__ import annotations

__version__ = "0.1.0"
