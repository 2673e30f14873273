"""Whole models: how far off an implementation may be, and where it first goes wrong."""
