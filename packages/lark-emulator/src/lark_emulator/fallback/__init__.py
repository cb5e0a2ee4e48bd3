"""Answers of the right shape for endpoints that are not emulated."""
