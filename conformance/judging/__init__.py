"""From a case to a verdict, and what is said of it."""
