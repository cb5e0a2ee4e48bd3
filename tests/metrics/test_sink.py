"""However hostile the labels: the number of series is bounded, and nothing is raised."""

from __future__ import annotations

import string
from collections.abc import Iterator

import prometheus_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider import metrics
from lark_provider.errors import ConfigurationError
from lark_provider.metrics import sink as module
from lark_provider.metrics.sink import MAX_SERIES, MAX_VALUES, OTHER, PrometheusSink
from lark_provider.support import measured, meters
from lark_provider.support.meters import Counter
from tests.metrics.conftest import Counted


@pytest.fixture
def sink() -> Iterator[PrometheusSink]:
    new_sink = PrometheusSink(prometheus_client.CollectorRegistry())
    meters.add_sink(new_sink)
    yield new_sink
    meters.remove_sink(new_sink)


def series(sink: PrometheusSink, metric: Counter) -> dict[tuple[str, ...], float]:
    """Return the values of a counter by its labels, without those that are 0."""
    return {
        tuple(sample.labels[name] for name in metric.labels): sample.value
        for family in sink._registry.collect()
        for sample in family.samples
        if sample.name == metric.name and sample.value
    }


def test_nothing_is_counted_before_a_sink_is_added() -> None:
    assert not meters.sinks
    measured.CALLS.add("cli_1", "ok")
    metrics.start()
    try:
        assert Counted()("lark_calls_total") == 0
        measured.CALLS.add("cli_1", "ok")
        assert Counted()("lark_calls_total") == 1
    finally:
        metrics.stop()
    assert not meters.sinks


def test_apps_are_bounded_and_no_count_is_lost(sink: PrometheusSink) -> None:
    for n in range(5000):
        measured.CALLS.add(f"cli_{n}", "ok")
    counts = series(sink, measured.CALLS)
    assert len(counts) == MAX_VALUES["app"] + 1
    assert counts["other", "ok"] == 5000 - MAX_VALUES["app"]
    assert len([name for name, _ in sink._children if name == measured.CALLS.name]) == MAX_VALUES["app"]


def test_the_combinations_of_labels_are_bounded_as_well(sink: PrometheusSink) -> None:
    for n in range(3 * MAX_SERIES):
        measured.REQUESTS.add(f"cli_{n % 90}", f"/open-apis/{n % 290}", "0")
    counts = series(sink, measured.REQUESTS)
    assert len(counts) <= MAX_SERIES + 1
    assert sum(counts.values()) == 3 * MAX_SERIES
    assert counts[OTHER, OTHER, OTHER] > 0


def test_a_gauge_whose_app_is_gone_is_shown_no_more_and_may_come_back(sink: PrometheusSink) -> None:
    def read_samples() -> dict[str, float]:
        families = sink._registry.collect()
        samples = [sample for family in families for sample in family.samples]
        return {
            sample.labels["app"]: sample.value for sample in samples if sample.name == measured.LISTENING.name
        }

    measured.LISTENING.remove("cli_never")
    for n in range(MAX_VALUES["app"] + 2):
        measured.LISTENING.set(1, f"cli_{n}")
    measured.LISTENING.remove("cli_0")
    measured.LISTENING.remove(f"cli_{MAX_VALUES['app']}")  # Shown as `other`, together with the last one.
    assert "cli_0" not in read_samples()
    assert read_samples()[OTHER] == 1
    measured.LISTENING.set(0, "cli_0")
    assert read_samples()["cli_0"] == 0
    assert len(read_samples()) == MAX_VALUES["app"] + 1


@pytest.mark.filterwarnings("error")
def test_where_files_are_merged_a_gauge_whose_app_is_gone_is_0() -> None:
    registry = prometheus_client.CollectorRegistry()
    merged = PrometheusSink(registry, is_merged=True)
    merged.set(measured.LISTENING, 1, ("cli_1",))
    merged.remove(measured.LISTENING, ("cli_1",))
    assert registry.get_sample_value(measured.LISTENING.name, {"app": "cli_1"}) == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(), max_size=80))
def test_codes_are_those_of_the_table_whatever_is_answered(codes: list[str]) -> None:
    sink = PrometheusSink(prometheus_client.CollectorRegistry())
    sink.add(measured.REQUESTS, 1, ("a", "b", "230034"))
    for code in codes:
        sink.add(measured.REQUESTS, 1, ("a", "b", code))
    known = {code for _, _, code in series(sink, measured.REQUESTS)}
    assert known <= module._CODES | {OTHER}
    assert sum(series(sink, measured.REQUESTS).values()) == len(codes) + 1


def test_a_label_of_any_text_and_length_can_be_read_back(sink: PrometheusSink) -> None:
    hostile = '"}\n# HELP x\nlark_calls_total{app="' + string.printable * 100
    measured.CALLS.add(hostile, "ok")
    text = prometheus_client.generate_latest(sink._registry).decode()
    lines = [line for line in text.splitlines() if line.startswith("lark_calls_total{")]
    assert len(lines) == len(measured.CALLS.values)
    [(app, _)] = series(sink, measured.CALLS)
    assert app == hostile[:100]


def test_a_sink_that_fails_stops_no_call_and_says_so_once(
    sink: PrometheusSink, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        measured.CALLS.add("one label too few")
    assert [record.message for record in caplog.records] == ["Failed to record a metric"]
    measured.CALLS.add("cli_1", "ok")
    assert series(sink, measured.CALLS) == {("cli_1", "ok"): 1}


def test_names_and_labels_follow_the_conventions_of_prometheus() -> None:
    names = [metric.name for metric in measured.ALL]
    assert len(names) == len(set(names))
    for metric in measured.ALL:
        assert metric.name.startswith("lark_")
        assert isinstance(metric, meters.Counter) == metric.name.endswith("_total")
        assert metric.help
        assert not metric.help.endswith(".")
        if isinstance(metric, meters.Histogram):
            assert metric.name.endswith("_seconds")
            assert list(metric.buckets) == sorted(set(metric.buckets))


def test_render_says_that_metrics_are_off() -> None:
    with pytest.raises(ConfigurationError, match="Metrics must be started"):
        metrics.render()


def test_what_can_happen_is_shown_as_0_before_it_does(sink: PrometheusSink) -> None:
    measured.CALLS.add("cli_1", "ok")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in sink._registry.collect()
        for sample in family.samples
    }
    assert samples["lark_calls_total", "cli_1", "ok"] == 1
    assert samples["lark_calls_total", "cli_1", "outcome_unknown"] == 0
    assert samples["lark_dead_letters_total", "click"] == 0
    assert not [key for key in samples if key[0] == "lark_broker_connected"]
