"""The tests that judge an implementation: thin, one question a file."""
