"""Spreadsheets (`/open-apis/sheets/v2` and `/v3`)."""
