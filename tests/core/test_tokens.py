"""The token cache: who uses, fetches or waits; time is a parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.core.tokens import Fetch, OwnerGoneError, TokenCache, Wait
from lark_provider.errors import TokenAcquisitionError, TransportError
from lark_provider.protocol.tokens import App, Freshness, Token


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache() -> TokenCache:
    return TokenCache()


def fetched(
    cache: TokenCache, clock: Clock, value: str = "t-1", expires_in: float = 7200, rejected: str | None = None
) -> None:
    step = cache.ask("k", rejected, clock())
    assert isinstance(step, Fetch)
    assert cache.land(step.flight, token(clock, value, expires_in)) == value


def token(clock: Clock, value: str, expires_in: float) -> Token:
    now = clock()
    return Token(value, now, now + expires_in)


def test_the_first_fetches_and_the_others_wait(cache: TokenCache, clock: Clock) -> None:
    first, second = cache.ask("k", None, clock()), cache.ask("k", None, clock())
    assert isinstance(first, Fetch)
    assert isinstance(second, Wait)
    cache.land(first.flight, token(clock, "t-1", 7200))
    assert second.flight.future.result(0) == "t-1"
    assert cache.ask("k", None, clock()) == "t-1"
    assert isinstance(cache.ask("other", None, clock()), Fetch)


def test_a_stale_token_is_renewed_by_one_and_used_by_the_others(cache: TokenCache, clock: Clock) -> None:
    fetched(cache, clock)
    clock.now += 7200 - 19 * 60
    one = cache.ask("k", None, clock())
    assert isinstance(one, Fetch)
    assert cache.ask("k", None, clock()) == "t-1"
    cache.land(one.flight, token(clock, "t-2", 7200))
    assert cache.ask("k", None, clock()) == "t-2"


def test_a_renewal_that_fails_leaves_the_stale_token_in_use(cache: TokenCache, clock: Clock) -> None:
    fetched(cache, clock)
    clock.now += 7200 - 10 * 60
    one = cache.ask("k", None, clock())
    assert isinstance(one, Fetch)
    assert cache.crash(one.flight, TransportError("down"), clock()) == "t-1"
    assert cache.ask("k", None, clock()) == "t-1"
    clock.now += 61
    assert isinstance(cache.ask("k", None, clock()), Fetch)


def test_lark_sending_the_same_stale_token_again_is_not_asked_every_time(
    cache: TokenCache, clock: Clock
) -> None:
    fetched(cache, clock)
    clock.now += 7200 - 10 * 60
    one = cache.ask("k", None, clock())
    assert isinstance(one, Fetch)
    cache.land(one.flight, token(clock, "t-1", 600))
    clock.now += 590
    two = cache.ask("k", None, clock())
    assert isinstance(two, Fetch)


def test_only_the_rejected_token_is_dropped(cache: TokenCache, clock: Clock) -> None:
    fetched(cache, clock)
    fetched(cache, clock, "t-2", rejected="t-1")
    assert cache.ask("k", "t-1", clock()) == "t-2"


def test_a_refusal_is_remembered_for_half_a_minute(cache: TokenCache, clock: Clock) -> None:
    step = cache.ask("k", None, clock())
    assert isinstance(step, Fetch)
    refusal = TokenAcquisitionError("Failed to get token: 10014 app secret invalid", code=10014)
    with pytest.raises(TokenAcquisitionError):
        cache.crash(step.flight, refusal, clock())
    with pytest.raises(TokenAcquisitionError, match="10014"):
        cache.ask("k", None, clock())
    clock.now += 31
    assert isinstance(cache.ask("k", None, clock()), Fetch)


def test_trouble_is_not_remembered(cache: TokenCache, clock: Clock) -> None:
    step, waiting = cache.ask("k", None, clock()), cache.ask("k", None, clock())
    assert isinstance(step, Fetch)
    assert isinstance(waiting, Wait)
    with pytest.raises(TransportError):
        cache.crash(step.flight, TransportError("down"), clock())
    with pytest.raises(TransportError):
        waiting.flight.future.result(0)
    assert isinstance(cache.ask("k", None, clock()), Fetch)


def test_when_the_one_who_fetches_is_cancelled_the_others_take_over(cache: TokenCache, clock: Clock) -> None:
    step, waiting = cache.ask("k", None, clock()), cache.ask("k", None, clock())
    assert isinstance(step, Fetch)
    assert isinstance(waiting, Wait)
    with pytest.raises(KeyboardInterrupt):
        cache.crash(step.flight, KeyboardInterrupt(), clock())
    with pytest.raises(OwnerGoneError):
        waiting.flight.future.result(0)


def test_another_secret_is_another_key_and_shows_in_no_repr() -> None:
    one, two = App("https://x", "cli_1", "secret-one"), App("https://x", "cli_1", "secret-two")
    assert one.token_key != two.token_key
    assert "secret" not in repr(one) + one.token_key


@given(life=st.floats(1, 7200), age=st.floats(0, 8000))
def test_a_token_is_never_used_after_its_end(life: float, age: float) -> None:
    token = Token("t", 0.0, life)
    state = token.freshness(age)
    if age >= life:
        assert state is Freshness.INVALID
    if age == 0:
        assert state is Freshness.FRESH
