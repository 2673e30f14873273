"""Tests of ``conformance/implementations``."""
