"""Tests of ``reference/saving``."""
