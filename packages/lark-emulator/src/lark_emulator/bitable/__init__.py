"""Bitable v1: bases, tables, fields, records."""

from __future__ import annotations
