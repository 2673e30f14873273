"""Tests of the suite in one call."""
