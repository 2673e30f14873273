"""Every loss, and its gradient: ``xyz(y_true, y_pred, **options)`` and ``xyz_backward(y_true, y_pred, **options)``."""

from reference.losses.crossentropy import *
from reference.losses.margin import *
from reference.losses.regression import *
