"""Markdown reports: every table is a function of records."""
