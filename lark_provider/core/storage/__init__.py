"""What is kept in a database: apps, tokens, leases, people. The only room that knows SQLAlchemy.

`engine` opens databases, `tables` says what stands in them, `migrate` brings them up to date; on these
stand `applications` (the registry), `token_store` and `user_cache`. Everything here blocks: the client
reaches it through `core.shared`, in threads and with deadlines.
"""
