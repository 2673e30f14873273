"""Tests of ``conformance/faults``."""
