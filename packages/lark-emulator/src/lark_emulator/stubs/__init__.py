"""Answers that a test plans, for endpoints that are not emulated and instead of those that are."""
