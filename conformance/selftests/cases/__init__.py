"""Tests of ``conformance/cases``."""
