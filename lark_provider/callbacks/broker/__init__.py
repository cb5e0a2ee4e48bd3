"""RabbitMQ: the connection, what is published, and what consumes the queues."""

from __future__ import annotations
