"""Loads the suite's plugin, whether or not the distribution is installed."""

pytest_plugins = ["conformance.plugin"]
