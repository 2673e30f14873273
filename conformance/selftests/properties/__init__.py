"""Tests of ``conformance/properties``."""
