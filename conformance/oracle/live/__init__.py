"""Keras itself: anything can be asked. The one room beside ``deviations`` and the studies that uses Keras."""
