"""The data sets of the studies, and what models are fed of them."""
