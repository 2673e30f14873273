"""The experiments: data sets, the declared rows of each table, and the trainer of their checkpoints."""
