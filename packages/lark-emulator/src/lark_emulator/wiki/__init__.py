"""The wiki: spaces, and pages that hold documents."""
