"""What was recorded of Keras: read from the vectors, without TensorFlow."""
