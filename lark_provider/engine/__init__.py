"""Run operations: two drivers, credentials, tokens, HTTP.

An operation (`protocol.operations`) yields effects. `interpreter` answers those that need the memory of the
process or its databases; `drivers` perform the rest, once in a thread and once in an event loop.
"""
