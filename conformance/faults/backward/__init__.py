"""Mistakes in backward passes."""
