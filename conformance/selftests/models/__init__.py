"""Tests of ``conformance/models``."""
