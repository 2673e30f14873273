"""Tests of ``conformance/base``."""
