"""Tests of ``conformance/judging``."""
