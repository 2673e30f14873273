"""A model as a graph of layers: what a configuration says, which shapes follow, the run forward and back."""
