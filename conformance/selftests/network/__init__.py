"""Tests of ``reference/network``."""
