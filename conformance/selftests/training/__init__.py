"""Tests of ``reference/training``."""
