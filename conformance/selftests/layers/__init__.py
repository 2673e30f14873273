"""Tests of ``reference/layers``."""
