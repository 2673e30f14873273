"""NumPy reference implementations of Keras layers.

Every layer is a plain function, ``xyz_forward(x, *weights, **options)``: weights in the order of ``layer.get_weights()``, options with
Keras's names and defaults, the batch first. ``load_model`` reads a ``.keras`` archive and runs it through these functions.
"""
