"""How a call to Lark proceeds, without performing it: no network, no clock, no randomness in here."""
