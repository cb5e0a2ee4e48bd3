"""Log lines as text and as JSON, and files that are read again when they have changed."""
