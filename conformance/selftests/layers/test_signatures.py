"""The signatures of the reference: options that are written in one place only are still named, and others refused."""

from __future__ import annotations

import inspect

import pytest

import reference
from reference._options import takes_options_of

SIGNATURES = {name: inspect.signature(one) for name in reference.__all__ if inspect.isfunction(one := getattr(reference, name))}
NAMED = [name for name, one in SIGNATURES.items() if all(p.kind is not p.VAR_KEYWORD for p in one.parameters.values())]
"""Functions that name all of their options; the others hand theirs on to a layer or an optimizer that refuses them."""


@pytest.mark.parametrize("name", NAMED)
def test_an_option_that_there_is_not_is_refused_by_name(name):
    function, signature = getattr(reference, name), SIGNATURES[name]
    needed = [p for p in signature.parameters.values() if p.default is p.empty]
    by_position = [None for p in needed if p.kind is not p.KEYWORD_ONLY]
    keywords = {p.name: None for p in needed if p.kind is p.KEYWORD_ONLY}
    signature.bind(*by_position, **keywords)
    with pytest.raises(TypeError, match="unexpected keyword argument 'no_option'"):
        signature.bind(*by_position, **keywords, no_option=1)
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) got an unexpected keyword argument 'no_option'"):
        function(*by_position, **keywords, no_option=1)


def test_forward_passes_of_layers_and_losses_name_their_options():
    for name in ("simple_rnn_forward", "lstm_forward", "gru_forward", "max_pooling2d_forward", "huber_backward"):
        assert name in NAMED, f"{name} hides its options behind **: help does not show them, and the suite cannot see that one is missing"
    seed = SIGNATURES["gru_forward"].parameters["seed"]
    assert (seed.kind, seed.default) == (seed.KEYWORD_ONLY, None), "an option stands in the signature with its default"


def test_options_are_those_of_all_sources():
    def first(x: int, *, a: int = 1) -> int:
        return x + a

    def second(x: int, y: int = 0, *, b: int) -> int:
        return x + b

    @takes_options_of(first, second)
    def both(x: int, *, own: bool = False, **options: int) -> dict[str, int]:
        return options

    assert str(inspect.signature(both)).startswith("(x: 'int', *, own: 'bool' = False, a: 'int' = 1, b: 'int')"), "y is no option"
    assert both(1, b=2) == {"b": 2}, "options arrive as they are given, without defaults"
    with pytest.raises(TypeError, match="both"):
        both(1, b=2, y=3)
