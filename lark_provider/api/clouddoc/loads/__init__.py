"""Loads that happen once: however often they are killed, retried and cleared, the table ends exact.

`procedure` goes through the source chunk by chunk; `writer` records each in the ledger before it is sent, and
finds out whether one without an answer was written; `looking` searches for its records; `dividing` bisects
a chunk that Lark refuses; `leasing` keeps other writers out; `restarting` deletes what a load has written.
"""
