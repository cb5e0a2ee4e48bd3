"""Spreadsheets: files, worksheets, values, styles, rules."""
