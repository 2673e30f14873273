"""Tests of ``conformance/plugin``."""
