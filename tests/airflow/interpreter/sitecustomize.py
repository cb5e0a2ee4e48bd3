"""Start Airflow in three quarters of its time: the rest is spent in searches for garbage, which find none."""

from __future__ import annotations

import gc

gc.set_threshold(100_000, 20, 100)
