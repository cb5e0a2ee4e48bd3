from __future__ import annotations

from collections.abc import Iterator

import prometheus_client
import pytest

from lark_provider import metrics


class Counted:
    """The values of the metrics of this process."""

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of all series of a name that have these labels."""
        return sum(
            sample.value
            for family in prometheus_client.REGISTRY.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def series(self, name: str) -> list[dict[str, str]]:
        """Return the labels of all series of a name."""
        return [
            sample.labels
            for family in prometheus_client.REGISTRY.collect()
            for sample in family.samples
            if sample.name == name
        ]


@pytest.fixture
def counted() -> Iterator[Counted]:
    """Start counting, with all metrics at zero, and stop after the test."""
    metrics.start()
    yield Counted()
    metrics.stop()
