"""The two drivers: they do the I/O that is left of an operation, one in a thread, one in an event loop.

They are modules of their own because a blocking client does without asyncio: a tenth of its first message.
"""
