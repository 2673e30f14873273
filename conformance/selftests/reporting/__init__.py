"""Tests of ``conformance/reporting``."""
