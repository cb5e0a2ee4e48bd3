"""Folders, files and who may open them (`/open-apis/drive`)."""
