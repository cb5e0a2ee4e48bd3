"""`/cardkit/v1`: cards that are kept apart from messages, and changed piece by piece."""
