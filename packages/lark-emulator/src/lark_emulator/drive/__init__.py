"""Folders and files of the drive: who owns them, and who may open them."""
