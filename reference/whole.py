"""The outward half of the public face: models, the files they are read from and saved to, and their training.

:mod:`reference` brings it in when one of its names is first asked for. Half of what there is to load lies behind it, ``h5py`` first of all,
and a program that calls layers needs none of that.
"""

from reference.models import *
from reference.training.callbacks import *
from reference.training.checkpoint import *
from reference.training.loop import *
from reference.training.run import *
from reference.training.step import *
