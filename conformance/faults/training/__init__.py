"""Mistakes in losses, their gradients, and optimizers."""
