"""The logic of calls to Lark, without performing them: no network, no clock and no randomness."""
