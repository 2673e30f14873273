"""The commands that measure and train for ``reports/``: a checkout of the project has them, an installed package has not."""
