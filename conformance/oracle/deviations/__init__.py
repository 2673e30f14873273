"""Where Keras deviates from its documentation: each deviation with a program that shows it."""
