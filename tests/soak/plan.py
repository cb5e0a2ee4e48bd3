"""What is done to the site, and when: drawn from a seed before the run, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias, TypeVar

T = TypeVar("T")
Action: TypeAlias = Literal["kill", "freeze", "rotate", "cut"]

GATEWAYS = ("gateway-0", "gateway-1", "gateway-2")
PUMPS = ("pump-0", "pump-1", "pump-2")
CUT_OFF = PUMPS[0]
"""The pump whose path to the database is cut for a while."""
WAITER, POSTGRES, RABBITMQ = "waiter", "postgres", "rabbitmq"
_ROLES = (GATEWAYS, PUMPS, (WAITER,), (POSTGRES,), (RABBITMQ,))
SECRETS = ("encrypt-key", "verification-token")
_Kind: TypeAlias = tuple[Action, tuple[str, ...]]
_FAULTS: list[_Kind] = [(action, role) for action in ("kill", "freeze") for role in _ROLES]
_ROTATED = (SECRETS[:1], SECRETS[1:], SECRETS)

FREEZE_SECONDS = (2.0, 12.0)
_GAP_SECONDS = (2.0, 8.0)
_FIRST_SECONDS = (1.0, 3.0)
_QUIET_SECONDS = 2.0
"""At the end: what is broken last has recovered while people still click."""
_SECOND_FAULT = 0.2
_EVERY_ROTATION, _EVERY_CUT = 60.0, 200.0
_LAG_SECONDS, _CUT_SECONDS = (3.0, 20.0), (20.0, 40.0)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done.

    Attributes:
        at: Seconds after the first click.
        action: `kill` and `freeze` a process, `rotate` callback keys, `cut` a pump off from its database.
        target: The process; of a rotation, which keys change, joined by "+".
        seconds: How long a freeze or a cut lasts; for how long Lark signs with the old keys after a rotation.
    """

    at: float
    action: Action
    target: str
    seconds: float = 0.0

    @property
    def end(self) -> float:
        """Return when the step is over, in seconds after the first click."""
        return self.at + self.seconds


def draw(seed: int, seconds: float, *, rotate: bool = True, cut: bool = True) -> list[Step]:
    """Draw the steps of a run, in the order of their times.

    Args:
        seed: Names the run.
        seconds: For how long people click.
        rotate: Whether keys are rotated.
        cut: Whether a pump is cut off from its database.
    """
    last = seconds - _QUIET_SECONDS
    steps = list(_faults(Random(f"{seed}/faults"), last))  # noqa: S311 - no secret
    if rotate:
        steps += _rotations(Random(f"{seed}/rotations"), last)  # noqa: S311 - no secret
    if cut:
        steps += _cuts(Random(f"{seed}/cuts"), last)  # noqa: S311 - no secret
    return sorted(steps, key=lambda step: (step.at, step.target))


def _faults(random: Random, last: float) -> Iterator[Step]:
    """Yield kills and freezes, one after the other; some begin while the one before them lasts."""
    kinds = _shuffle(random, _FAULTS)
    at = random.uniform(*_FIRST_SECONDS)
    while at < last:
        first = _fault(random, next(kinds), at, last)
        yield first
        if first.seconds and random.random() < _SECOND_FAULT:
            action, role = next(kinds)
            if first.target not in role:
                yield _fault(random, (action, role), random.uniform(at, first.end), first.end)
        at = first.end + random.uniform(*_GAP_SECONDS)


def _shuffle(random: Random, kinds: Sequence[T]) -> Iterator[T]:
    """Yield all kinds in random order, repeatedly, so that none is left out by chance."""
    while True:
        yield from random.sample(kinds, len(kinds))


def _fault(random: Random, kind: _Kind, at: float, last: float) -> Step:
    action, role = kind
    seconds = min(random.uniform(*FREEZE_SECONDS), last - at) if action == "freeze" else 0.0
    return Step(at, action, random.choice(role), seconds)


def _rotations(random: Random, last: float) -> Iterator[Step]:
    """Yield each choice of keys to rotate, with Lark signing with the new ones at once, or after a while."""
    kinds = _shuffle(random, [(which, lag) for which in _ROTATED for lag in (True, False)])
    for begin, length in _slots(last, _EVERY_ROTATION):
        which, has_lag = next(kinds)
        lag = min(random.uniform(*_LAG_SECONDS), length * 0.4) if has_lag else 0.0
        yield Step(begin + length * random.uniform(0.2, 0.5), "rotate", "+".join(which), lag)


def _cuts(random: Random, last: float) -> Iterator[Step]:
    for begin, length in _slots(last, _EVERY_CUT):
        at = begin + length * random.uniform(0.1, 0.4)
        yield Step(at, "cut", CUT_OFF, min(random.uniform(*_CUT_SECONDS), length * 0.5))


def _slots(last: float, every: float) -> list[tuple[float, float]]:
    """Split a run into equal parts, at least one, and return begin and length of each."""
    count = max(1, round(last / every))
    return [(number * last / count, last / count) for number in range(count)]
