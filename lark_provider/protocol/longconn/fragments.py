"""Join messages that arrive in several frames, with limits on parts, bytes, messages and time."""

from __future__ import annotations

from dataclasses import dataclass, field

from lark_provider.protocol.longconn.frames import FrameError


@dataclass(frozen=True, slots=True)
class FragmentLimits:
    """The limits on what one connection holds of messages that are not complete yet.

    Attributes:
        parts: The most parts of one message.
        message_bytes: The most bytes of one message.
        messages: The most messages at a time; beyond it, the oldest is dropped.
        total_bytes: The most bytes of all messages together; beyond it, the oldest is dropped.
        seconds: Seconds without a further part after which an incomplete message is dropped.
    """

    parts: int = 1000
    message_bytes: int = 4 * 1024 * 1024
    messages: int = 64
    total_bytes: int = 8 * 1024 * 1024
    seconds: float = 5.0


@dataclass(slots=True)
class _Message:
    """The parts of a message so far, by number."""

    sum: int
    due: float
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Fragments:
    """The incomplete messages of one connection.

    Args:
        limits: The limits; None for the defaults.
    """

    def __init__(self, limits: FragmentLimits | None = None) -> None:
        self._limits = limits or FragmentLimits()
        self._messages: dict[str, _Message] = {}  # Ordered by the arrival of their last parts, oldest first.
        self._size = 0

    @property
    def due(self) -> float | None:
        """When the next incomplete message expires; None if there is none."""
        return next((message.due for message in self._messages.values()), None)

    def add(self, message_id: str, part: int, parts: int, payload: bytes, now: float) -> bytes | None:
        """Add a part; return the whole payload once all have arrived.

        A part that has arrived already is ignored.

        Args:
            message_id: The id of the message that the part belongs to.
            part: The number of the part, from 0.
            parts: How many parts the message has.
            payload: The content of the part.
            now: The current time in seconds, by any clock that never goes back.

        Raises:
            FrameError: The numbers are invalid, or differ from those of the parts before; or the message is
                too large. The message is dropped then.
        """
        limits = self._limits
        if not 0 <= part < parts <= limits.parts:
            self._drop(message_id)
            raise FrameError(
                f"The message has an invalid part: {part} of {parts}; at most {limits.parts} are accepted."
            )
        message = self._messages.pop(message_id, None) or _Message(parts, now)
        self._messages[message_id] = message  # Moved to the end, which keeps the order by the last parts.
        if message.sum != parts:
            self._drop(message_id)
            raise FrameError(
                f"The parts of the message disagree on how many there are: {message.sum} and {parts}."
            )
        if part not in message.parts:
            message.parts[part] = payload
            message.size += len(payload)
            self._size += len(payload)
        message.due = now + limits.seconds
        if message.size > limits.message_bytes:
            self._drop(message_id)
            raise FrameError(f"The message has more than {limits.message_bytes} bytes.")
        if len(message.parts) == parts:
            self._drop(message_id)
            return b"".join(message.parts[number] for number in range(parts))
        while len(self._messages) > limits.messages or self._size > limits.total_bytes:
            self._drop(next(iter(self._messages)))
        return None

    def expire(self, now: float) -> list[str]:
        """Drop the messages whose next part has not come in time, and return their ids.

        Args:
            now: The current time in seconds, by the same clock as for `add`.
        """
        late = [message_id for message_id, message in self._messages.items() if message.due <= now]
        for message_id in late:
            self._drop(message_id)
        return late

    def _drop(self, message_id: str) -> None:
        message = self._messages.pop(message_id, None)
        if message is not None:
            self._size -= message.size
