"""Training a model: what is aimed at, one step, the run over epochs, callbacks and checkpoints."""
