"""Probes of a service: `/healthz` and `/readyz`, for orchestrators and load balancers."""

from __future__ import annotations
