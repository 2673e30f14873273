"""Mistakes in forward passes and masks."""
