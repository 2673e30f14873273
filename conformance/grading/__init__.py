"""The grading harness: submissions that nobody trusts, points with reasons, and results as the platforms of courses want them."""
