"""Tests of ``conformance/grading``."""
