"""The client's configuration, and when to connect again."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.protocol.longconn import reconnect
from lark_provider.protocol.longconn.reconnect import ClientConfig, ReconnectBackoff
from lark_provider.protocol.longconn.refusals import ConnectVerdict

LIVE = ClientConfig(90.0, -1, 90.0, 25.0)
"""As three logs of real connections show it."""


def test_what_lark_sends_is_applied_and_the_rest_stays() -> None:
    sent = {"ReconnectCount": -1, "ReconnectInterval": 90, "ReconnectNonce": 25, "PingInterval": 90}
    assert ClientConfig().with_update(sent) == LIVE
    assert LIVE.with_update({"PingInterval": 60}) == ClientConfig(60.0, -1, 90.0, 25.0)
    assert LIVE.with_update({}) is LIVE
    assert LIVE.longest_silence == 120.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["PingInterval", "ReconnectInterval", "ReconnectNonce", "ReconnectCount", "Other"]),
        JSON,
    )
)
def test_whatever_is_sent_leaves_usable_values(sent: dict[str, Any]) -> None:
    config = LIVE.with_update(sent)
    assert 0.1 <= config.ping_interval <= 300
    assert 0 < config.reconnect_interval <= 600
    assert 0 <= config.reconnect_nonce <= 600
    assert type(config.reconnect_count) is int


@pytest.mark.parametrize("value", [0, -1, "90", None, True, math.nan, math.inf, [], 10**400])
def test_an_interval_that_is_invalid_changes_nothing(value: object) -> None:
    assert LIVE.with_update({"PingInterval": value}) is LIVE


def pauses(
    count: int,
    config: ClientConfig = LIVE,
    random: float = 0.5,
    verdict: ConnectVerdict = ConnectVerdict.RETRY,
) -> list[float]:
    after = ReconnectBackoff()
    after.count_failure(ConnectVerdict.RETRY, 600.0, config, random)
    return [after.count_failure(verdict, 0.0, config, random).seconds for _ in range(count)]


def test_the_first_attempt_is_quick_then_larks_values_count() -> None:
    after = ReconnectBackoff()
    assert after.count_failure(ConnectVerdict.RETRY, 600.0, LIVE, 0.5).seconds == 1.0
    assert pauses(4) == [12.5, 90.0, 90.0, 90.0]


def test_random_numbers_spread_the_first_two_attempts() -> None:
    for random in (0.0, 0.999):
        after = ReconnectBackoff()
        assert after.count_failure(ConnectVerdict.RETRY, 60.0, LIVE, random).seconds == 2 * random
        assert after.count_failure(ConnectVerdict.RETRY, 0.0, LIVE, random).seconds == 25 * random


def test_a_connection_that_never_stands_long_is_no_success() -> None:
    after = ReconnectBackoff()
    delays = [after.count_failure(ConnectVerdict.RETRY, 19.0, LIVE, 0.5).seconds for _ in range(4)]
    assert delays == [1.0, 12.5, 90.0, 90.0]
    assert after.count_failure(ConnectVerdict.RETRY, 30.0, LIVE, 0.5).seconds == 1.0


def test_a_number_of_attempts_is_kept_to() -> None:
    after = ReconnectBackoff()
    limited = ClientConfig(90.0, 2, 90.0, 25.0)
    delays = [after.count_failure(ConnectVerdict.RETRY, 0.0, limited, 0.5) for _ in range(4)]
    assert [delay.is_exhausted for delay in delays] == [False, False, True, True]
    assert [delay.attempt for delay in delays] == [1, 2, 3, 4]
    assert delays[2].seconds == reconnect.REFUSED_SECONDS
    assert after.count_failure(ConnectVerdict.RETRY, 30.0, limited, 0.5).is_exhausted is False


def test_too_many_connections_are_tried_again_in_minutes() -> None:
    assert pauses(6, verdict=ConnectVerdict.CROWDED) == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    assert pauses(1, random=0.0, verdict=ConnectVerdict.CROWDED) == [30.0]


def test_an_app_that_is_refused_is_tried_again_after_a_quarter_of_an_hour() -> None:
    assert pauses(3, verdict=ConnectVerdict.REFUSED) == [900.0] * 3
    assert pauses(1, random=0.0, verdict=ConnectVerdict.REFUSED) == [810.0]
