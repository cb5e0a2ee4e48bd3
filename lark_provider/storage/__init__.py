"""Databases: apps, tokens, leases, users, clicks, questions. The only package that imports SQLAlchemy.

`engine` opens databases, `tables` defines the schema, `migrate` upgrades it; `applications` (the registry),
`token_store`, `user_cache`, `inbox` and `waits` use them. Everything here blocks: clients reach it through
`engine.fallback_store`, in threads and with deadlines.
"""
