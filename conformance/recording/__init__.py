"""Keras's answers written down: the recorded vectors made, compared with the last ones, and updated."""
