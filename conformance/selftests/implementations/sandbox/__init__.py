"""Tests of ``conformance/implementations/sandbox``."""
