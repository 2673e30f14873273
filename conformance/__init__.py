"""The conformance suite for Keras layers."""

__version__ = "0.1.0"
