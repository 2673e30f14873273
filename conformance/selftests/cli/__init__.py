"""Tests of ``conformance/cli``."""
