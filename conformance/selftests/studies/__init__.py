"""Tests of ``conformance/studies``."""
