"""Properties: equations between answers of one implementation, which need nobody who knows the right answer."""

from __future__ import annotations

from conformance.properties import batch, invariances, products, sequences, windows
from conformance.properties.property import Property

ALL: tuple[Property, ...] = tuple(one for family in (batch, products, sequences, windows, invariances) for one in family.PROPERTIES)
"""All of them, in the order in which they are asked."""
