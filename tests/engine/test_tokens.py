"""The token cache: who uses, fetches or waits; time is a parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.engine.token_cache import (
    AwaitToken,
    FetchCancelledError,
    FetchToken,
    Flight,
    TokenCache,
    UseToken,
)
from lark_provider.errors import TokenAcquisitionError, TransportError
from lark_provider.protocol.tokens import App, Freshness, Token
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache() -> TokenCache:
    return TokenCache()


def fetch(
    cache: TokenCache, clock: Clock, value: str = "t-1", expires_in: float = 7200, rejected: str | None = None
) -> None:
    step = cache.acquire("k", rejected, clock())
    assert isinstance(step, FetchToken)
    cache.resolve(step.flight, make_token(clock, value, expires_in))


def renewal(cache: TokenCache, clock: Clock) -> Flight:
    """Return the flight of a caller that renews the token while it goes on using it."""
    step = cache.acquire("k", None, clock())
    assert isinstance(step, UseToken)
    assert step.renewal is not None
    return step.renewal


def make_token(clock: Clock, value: str, expires_in: float) -> Token:
    now = clock()
    return Token(value, now, now + expires_in)


def test_the_first_fetches_and_the_others_wait(cache: TokenCache, clock: Clock) -> None:
    first, second = cache.acquire("k", None, clock()), cache.acquire("k", None, clock())
    assert isinstance(first, FetchToken)
    assert isinstance(second, AwaitToken)
    cache.resolve(first.flight, make_token(clock, "t-1", 7200))
    assert second.flight.future.result(0) == "t-1"
    assert cache.acquire("k", None, clock()) == UseToken("t-1")
    assert isinstance(cache.acquire("other", None, clock()), FetchToken)


def test_a_stale_token_is_renewed_by_one_and_used_by_the_others(cache: TokenCache, clock: Clock) -> None:
    fetch(cache, clock)
    clock.now += 7200 - 19 * 60
    step = cache.acquire("k", None, clock())
    assert isinstance(step, UseToken)
    assert step.token == "t-1"
    assert step.renewal is not None
    assert cache.acquire("k", None, clock()) == UseToken("t-1")
    cache.resolve(step.renewal, make_token(clock, "t-2", 7200))
    assert cache.acquire("k", None, clock()) == UseToken("t-2")


def test_a_renewal_that_fails_leaves_the_stale_token_in_use(cache: TokenCache, clock: Clock) -> None:
    fetch(cache, clock)
    clock.now += 7200 - 10 * 60
    flight = renewal(cache, clock)
    cache.fail(flight, TransportError("down"), clock())
    assert cache.acquire("k", None, clock()) == UseToken("t-1"), "and is not renewed by every caller"
    clock.now += 61
    renewal(cache, clock)


def test_a_renewal_that_takes_long_is_not_begun_twice(cache: TokenCache, clock: Clock) -> None:
    fetch(cache, clock)
    clock.now += 7200 - 10 * 60
    renewal(cache, clock)
    clock.now += 61
    assert cache.acquire("k", None, clock()) == UseToken("t-1")


def test_lark_sending_the_same_stale_token_again_is_not_asked_every_time(
    cache: TokenCache, clock: Clock
) -> None:
    fetch(cache, clock)
    clock.now += 7200 - 10 * 60
    cache.resolve(renewal(cache, clock), make_token(clock, "t-1", 600))
    clock.now += 590
    assert isinstance(cache.acquire("k", None, clock()), FetchToken)


def test_only_the_rejected_token_is_dropped(cache: TokenCache, clock: Clock) -> None:
    fetch(cache, clock)
    fetch(cache, clock, "t-2", rejected="t-1")
    assert cache.acquire("k", "t-1", clock()) == UseToken("t-2")


def test_a_refusal_is_remembered_for_half_a_minute(cache: TokenCache, clock: Clock) -> None:
    step = cache.acquire("k", None, clock())
    assert isinstance(step, FetchToken)
    refusal = TokenAcquisitionError("Failed to get token: 10014 app secret invalid", code=10014)
    cache.fail(step.flight, refusal, clock())
    for _ in range(3):
        with pytest.raises(TokenAcquisitionError, match="10014"):
            cache.acquire("k", None, clock())
        clock.now += 10
    assert isinstance(cache.acquire("k", None, clock()), FetchToken), "at the very end of it"


def test_a_refusal_ends_if_the_clock_is_set_back(cache: TokenCache, clock: Clock) -> None:
    step = cache.acquire("k", None, clock())
    assert isinstance(step, FetchToken)
    cache.fail(step.flight, TokenAcquisitionError("Failed to get token: 10014", code=10014), clock())
    with pytest.raises(TokenAcquisitionError):
        cache.acquire("k", None, clock())
    clock.now -= 8 * 3600.0
    assert isinstance(cache.acquire("k", None, clock()), FetchToken)


def test_a_failure_is_not_cached(cache: TokenCache, clock: Clock) -> None:
    step, waiting = cache.acquire("k", None, clock()), cache.acquire("k", None, clock())
    assert isinstance(step, FetchToken)
    assert isinstance(waiting, AwaitToken)
    cache.fail(step.flight, TransportError("down"), clock())
    with pytest.raises(TransportError):
        waiting.flight.future.result(0)
    assert isinstance(cache.acquire("k", None, clock()), FetchToken)


def test_when_the_one_who_fetches_is_cancelled_the_others_take_over(cache: TokenCache, clock: Clock) -> None:
    step, waiting = cache.acquire("k", None, clock()), cache.acquire("k", None, clock())
    assert isinstance(step, FetchToken)
    assert isinstance(waiting, AwaitToken)
    cache.fail(step.flight, KeyboardInterrupt(), clock())
    with pytest.raises(FetchCancelledError):
        waiting.flight.future.result(0)


def test_a_renewal_that_never_began_is_begun_by_the_next(cache: TokenCache, clock: Clock) -> None:
    fetch(cache, clock)
    clock.now += 7200 - 10 * 60
    flight = renewal(cache, clock)
    cache.abandon(flight)
    cache.abandon(flight)
    with pytest.raises(FetchCancelledError):
        flight.future.result(0)
    clock.now += 61
    renewal(cache, clock)


def test_a_flight_that_was_lost_does_not_hold_the_others(cache: TokenCache, clock: Clock) -> None:
    assert isinstance(cache.acquire("k", None, clock()), FetchToken)
    clock.now += 599
    assert isinstance(cache.acquire("k", None, clock()), AwaitToken)
    clock.now += 2
    assert isinstance(cache.acquire("k", None, clock()), FetchToken)


def test_refusals_are_few_and_hold_no_frames(cache: TokenCache, clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        _ = 1 / 0
    here = raised.tb
    for number in range(2_000):
        step = cache.acquire(f"k{number}", None, clock())
        assert isinstance(step, FetchToken)
        refusal = TokenAcquisitionError("no").with_traceback(here)
        cache.fail(step.flight, refusal, clock())
    assert len(cache._refusals) == 256
    assert all(error.__traceback__ is None for _, error in cache._refusals.values())
    with pytest.raises(TokenAcquisitionError):
        cache.acquire("k1999", None, clock())


def test_who_was_refused_last_stays_refused_when_there_are_too_many(cache: TokenCache, clock: Clock) -> None:
    def refuse(key: str) -> None:
        step = cache.acquire(key, None, clock())
        assert isinstance(step, FetchToken)
        cache.fail(step.flight, TokenAcquisitionError("no"), clock())

    for number in range(256):
        refuse(f"k{number}")
    clock.now += 30
    refuse("k0")
    refuse("another")
    for key in ("k0", "another"):
        with pytest.raises(TokenAcquisitionError):
            cache.acquire(key, None, clock())


def test_a_token_that_arrives_late_ends_a_refusal(cache: TokenCache, clock: Clock) -> None:
    slow = cache.acquire("k", None, clock())
    assert isinstance(slow, FetchToken)
    clock.now += 601
    other = cache.acquire("k", None, clock())
    assert isinstance(other, FetchToken)
    cache.fail(other.flight, TokenAcquisitionError("no"), clock())
    cache.resolve(slow.flight, make_token(clock, "t-1", 7200))
    assert isinstance(cache.acquire("k", "t-1", clock()), FetchToken)


def test_a_token_that_lark_rejected_for_one_is_not_used_by_the_others(
    cache: TokenCache, clock: Clock
) -> None:
    fetch(cache, clock, "t-1")
    assert isinstance(cache.acquire("k", "t-1", clock()), FetchToken)
    assert isinstance(cache.acquire("k", None, clock()), AwaitToken)


def test_who_was_refused_for_what_has_arrived_since_asks_again(cache: TokenCache, clock: Clock) -> None:
    for key in ("app|tenant", "app-2|tenant"):
        step = cache.acquire(key, None, clock())
        assert isinstance(step, FetchToken)
        cache.fail(step.flight, TokenAcquisitionError("no ticket"), clock())
    cache.clear_refusals("app|")
    assert isinstance(cache.acquire("app|tenant", None, clock()), FetchToken)
    with pytest.raises(TokenAcquisitionError):
        cache.acquire("app-2|tenant", None, clock())


def test_a_token_is_renewed_20_minutes_before_its_end_and_used_until_10_seconds_before() -> None:
    for life, stale, invalid in ((7200.0, 1200.0, 10.0), (60.0, 10.0, 3.0)):
        issued = Token("t-1", 1000.0, 1000.0 + life)
        left = {Freshness.FRESH: stale + 0.1, Freshness.STALE: stale, Freshness.EXPIRED: invalid}
        assert {
            state: issued.compute_freshness(issued.expires_at - seconds) for state, seconds in left.items()
        } == {state: state for state in left}
        assert issued.compute_freshness(issued.expires_at - invalid - 0.1) is Freshness.STALE


def test_secrets_and_tokens_are_masked_wherever_they_are_held() -> None:
    app = App("https://x", "cli_1", "secret-AAA")
    assert "secret-AAA" not in repr((app, app.app_secret))
    assert "t-1" not in repr((Token("t-1", 0.0, 1.0), Token("t-1", 0.0, 1.0).value))


def test_each_tenant_of_a_store_app_has_a_token_of_its_own() -> None:
    apps = [App("https://x", "cli_1", "s", tenant) for tenant in (None, "one", "two")]
    assert len({app.token_key for app in apps}) == len({app.name for app in apps}) == 3


def test_another_secret_is_another_key_and_shows_in_no_repr() -> None:
    first, second = App("https://x", "cli_1", "secret-one"), App("https://x", "cli_1", "secret-two")
    assert first.token_key != second.token_key
    assert "secret" not in repr(first) + first.token_key


@given(life=st.floats(1, 7200), age=st.floats(0, 8000))
def test_a_token_is_never_used_after_its_end(life: float, age: float) -> None:
    token = Token("t", 0.0, life)
    state = token.compute_freshness(age)
    if age >= life:
        assert state is Freshness.EXPIRED
    if age == 0:
        assert state is Freshness.FRESH
