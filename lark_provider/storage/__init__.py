"""Databases: apps, tokens, leases, users, clicks, questions.

Outside of it, only the modules that pyproject.toml lists import SQLAlchemy, such as `plugins.guard`.
`engine` opens databases, `tables` defines the schema, `migrate` upgrades it; `applications` (the registry),
`token_store`, `user_cache`, `inbox` and `waits` use them. Everything here blocks: clients reach it through
`engine.fallback_store`, in threads and with deadlines.
"""
