"""The harness: what a rubric asks, what a submission gets, and what is written about it."""
