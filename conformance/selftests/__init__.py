"""Tests of this project itself; they never judge a foreign implementation."""
