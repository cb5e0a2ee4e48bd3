"""The logger of the deployment guide; nothing else belongs here."""
