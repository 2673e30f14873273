"""What the selftests are made of: small models, files, places to run in."""
