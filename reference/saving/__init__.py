"""The files of models: read without trust, written whole or not at all."""
