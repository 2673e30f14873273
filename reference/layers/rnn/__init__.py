"""Recurrent layers: what a layer is called with, the cells that make one step, the run over time."""
