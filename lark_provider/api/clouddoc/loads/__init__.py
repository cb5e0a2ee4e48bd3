"""Loads that happen once: however often they are killed, retried and cleared, the table ends exact.

`procedure` writes chunk by chunk, each recorded in the ledger before it is sent; `settling` decides about a
chunk whose outcome was lost; `looking` finds its records; `leasing` keeps other writers out; `restarting`
deletes what a load has written.
"""
