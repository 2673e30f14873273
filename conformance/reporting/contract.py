"""How each layer is called: the sections of ``conformance/docs/contract.md`` that follow from the records.

``python -m conformance.reporting.contract`` writes them again, between the marks in the page; the rest of the page is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import reference
from conformance.base.arrays import Arrays
from conformance.cases import FAMILIES, TEXT
from conformance.cases.case import LayerCases, declared_cases, make_case
from conformance.cases.gradients import draw_backward
from conformance.cases.losses import LOSSES, draw_loss
from conformance.cases.masks import mask_cases
from conformance.cases.optimizers import OPTIMIZERS, draw_steps, function_of
from conformance.cases.questions import Question, backward_question, forward_question
from conformance.checks.mask import mask_question
from conformance.reporting.examples import Block, parameters, signature
from reference.layers import spec_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "contract.md"
BEGIN, END = "<!-- written by `python -m conformance.reporting.contract` -->", "<!-- end of what is written -->"


class Example(NamedTuple):
    """A call beside the plain one of a layer.

    Attributes
    ----------
    says : str
        What it shows.
    config, call : mapping
        As in a case, beside what the plain case has.
    results : tuple of str
        The names of what comes back.
    backward : bool
        Whether its backward call is shown, too.
    """

    says: str
    config: Mapping[str, Any] = {}
    call: Mapping[str, Any] = {}
    results: tuple[str, ...] = ("y",)
    backward: bool = False


STATES = {"return_state": True}
GIVEN = {"initial_state": "given"}
MASKED = Example("a mask, False where a step does not count", {"return_sequences": True}, {"mask": "gap"})
ONE_STATE = Example("states follow the output, and go in as a tuple; so do their gradients", STATES, GIVEN, ("y", "h"), True)
TWO_STATES = Example("states follow the output, and go in as a tuple; so do their gradients", STATES, GIVEN, ("y", "h", "c"), True)
NO_BIAS = Example("use_bias=False: the bias is left out, the option is not passed", {"use_bias": False})
ALSO: dict[str, tuple[Example, ...]] = {
    "Dense": (NO_BIAS, Example("an activation comes by its name", {"activation": "relu"})),
    "Conv2D": (Example("sizes come as whole tuples", {"padding": "same", "strides": (2, 1)}),),
    "Dropout": (Example("the rate acts in training alone", {}, {"training": True}),),
    "Softmax": (Example("a mask as large as the input", {}, {"mask": "some"}),),
    "GlobalAveragePooling1D": (Example("a mask, False where a step does not count", {}, {"mask": "gap"}),),
    "BatchNormalization": (
        Example("scale=False: None stands in the place of gamma, the option is not passed", {"scale": False}, {}, ("y",), True),
        Example(
            "training: the moving statistics after this batch follow the output; grad_output is of the output alone",
            {}, {"training": True}, ("y", "new_moving_mean", "new_moving_variance"), True,
        ),
    ),
    "LayerNormalization": (
        Example("scale=False: None stands in the place of gamma, the option is not passed", {"scale": False}, {}, ("y",), True),
        Example("center=False: beta, the last, is left out", {"center": False}),
    ),
    "SimpleRNN": (NO_BIAS, MASKED, ONE_STATE),
    "GRU": (NO_BIAS, MASKED, ONE_STATE),
    "LSTM": (NO_BIAS, MASKED, TWO_STATES),
    "Bidirectional": (
        Example("another layer inside; its options stand beside those of the wrapper", {"layer": "GRU", "return_sequences": True}),
        Example("use_bias=False: each tuple of weights is one shorter", {"use_bias": False}),
        Example(
            "merge_mode=None: two outputs; the states of the forward half and then of the backward half follow, and go in alike",
            {"merge_mode": None, **STATES}, GIVEN, ("y_forward", "y_backward", "h_forward", "c_forward", "h_backward", "c_backward"), True,
        ),
    ),
    "TimeDistributed": (
        Example("another layer inside; its options stand beside layer=", {"layer": "Conv2D", "filters": 4, "kernel_size": (3, 2)}),
    ),
    "sparse_categorical_crossentropy": (
        Example(
            "reduction='none' and a weight for each sample",
            {"from_logits": True, "reduction": "none"}, {"sample_weight": "given"}, ("value",), True,
        ),
    ),
}  # fmt: skip
"""More examples of a layer, where the plain one does not show how it is called."""
IMAGES = {"TimeDistributed": (2, 3, 5, 6, 2)}
"""The shape of the input of the further examples, where it is another one."""


def page(text: str) -> str:
    """The page with its written part as it should be now."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"the page lacks one of the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{sections()}\n\n{END}{after}"


def sections() -> str:
    """All that is written: a heading for each family, and below it for each layer its signature and example calls."""
    parts: list[str] = []
    for family, layers in FAMILIES.items():
        title = TITLES[family]
        parts += [f"## {title}", _functions(layers)] if family == "activations" else _family(title, layers, _layer)
    parts += [f"## {TITLES['text']}", *_text()]
    parts += _family(TITLES["losses"], LOSSES, _loss)
    parts += _family(TITLES["optimizers"], OPTIMIZERS, _optimizer)
    return "\n\n".join(parts)


TITLES = {
    "core": "Core layers",
    "activation_layers": "Activation layers",
    "merging": "Merging layers",
    "normalization": "Normalization",
    "convolution": "Convolution",
    "pooling": "Pooling",
    "recurrent": "Recurrent layers and wrappers",
    "activations": "Activation functions",
    "text": "Text",
    "losses": "Losses",
    "optimizers": "Optimizers",
}


def _family(title: str, layers: Sequence[LayerCases], make: Callable[[LayerCases], Iterator[str]]) -> list[str]:
    return [f"## {title}", *(part for layer in layers for part in (f"### {layer.layer}", *make(layer)))]


def _layer(layer: LayerCases) -> Iterator[str]:
    """A layer: its signature, the forward and backward call of its plain case, and the further examples."""
    spec = spec_of(layer.layer)
    yield _signatures(*(one.__name__ for one in (spec.forward, spec.compute_mask) if one is not None))
    block = Block()
    _both(block, layer, Example("", backward=True), None)
    for example in ALSO.get(layer.layer, ()):
        block.say(example.says)
        _both(block, layer, example, IMAGES.get(layer.layer))
    if spec.compute_mask is not None:
        block.say("the mask that the layer hands on")
        block.ask(next(question for question in map(mask_question, _masks_of(layer.layer)) if _is_answered(question)), ("mask",))
    yield str(block)


def _signatures(*names: str) -> str:
    return "  \n".join(f"`{signature(name)}`" for name in names)


def _masks_of(name: str) -> list[Any]:
    return [case for case in mask_cases() if case.layer == name]


def _is_answered(question: Question) -> bool:
    return getattr(reference, question.function)(*question.positional, **question.keywords) is not None


def _both(block: Block, layer: LayerCases, example: Example, shape: tuple[int, ...] | None) -> None:
    """The forward call of an example, and its backward call where that is shown."""
    plain = next(declared_cases(layer, "smoke"))
    base = {} if shape else plain.config
    case = make_case(layer, {**base, **example.config}, shape or plain.shape, {**plain.call, **example.call}, plain.dtype, "")
    asked = draw_backward(layer, case, 0)
    block.ask(forward_question(layer, case, asked.arrays, {}), example.results)
    if example.backward:
        question = backward_question(layer, case, asked.arrays, {}, asked.grads)
        block.ask(question, _gradient_names(question, asked.arrays), told=False)


def _gradient_names(question: Question, arrays: Arrays) -> tuple[str, ...]:
    """Names of the gradients: of the input, of the weights that are trained, of the initial states."""
    taken = parameters(getattr(reference, question.function))[1 : len(question.positional)]
    names = [f"grad_{name}" for name in taken if not name.startswith("moving_")]
    return (*names, *(f"grad_state_{n}" for n in range(len(arrays.arguments.get("initial_state", ())))))


def _functions(layers: Sequence[LayerCases]) -> str:
    """The activation functions, whose backward returns the array alone."""
    block = Block()
    for layer in layers:
        case = next(declared_cases(layer, "smoke"))
        asked = draw_backward(layer, case, 0)
        block.say(signature(layer.layer))
        block.ask(forward_question(layer, case, asked.arrays, {}), ("y",))
        block.ask(backward_question(layer, case, asked.arrays, {}, asked.grads), ("grad_x",), told=False)
    return str(block)


def _loss(layer: LayerCases) -> Iterator[str]:
    """A loss: the value, and the gradient of the predictions."""
    yield _signatures(layer.layer)
    plain = next(declared_cases(layer, "smoke"))
    block = Block()
    for example in (Example("", results=("value",)), *ALSO.get(layer.layer, ())):
        if example.says:
            block.say(example.says)
        case = make_case(layer, example.config, plain.shape, example.call, plain.dtype, "")
        arrays = draw_loss(case, 0)
        block.ask(forward_question(layer, case, arrays, {}), example.results)
        block.ask(backward_question(layer, case, arrays, {}, ()), ("grad_y_pred",), told=False)
    yield str(block)


def _optimizer(layer: LayerCases) -> Iterator[str]:
    """An optimizer: two steps, the state handed on."""
    name = function_of(layer.layer)
    yield _signatures(name)
    steps = draw_steps(next(declared_cases(layer, "smoke")), 0)
    block = Block()
    block.name({"variables": list(steps.variables), "gradients": list(steps.gradients[0])})
    block.lines += [f"variables, state = {name}(variables, gradients, None)", f"variables, state = {name}(variables, gradients, state)"]
    yield str(block)


def _text() -> Iterator[str]:
    """TextVectorization, which takes strings."""
    yield f"### {TEXT}"
    yield _signatures(*(f"text_vectorization_{part}" for part in ("adapt", "forward", "idf")))
    yield TEXT_EXAMPLE


TEXT_EXAMPLE = """\
```python
texts = ["good food", "bad food, bad place"]
vocabulary = text_vectorization_adapt(texts)
assert vocabulary == ["", "[UNK]", "food", "bad", "place", "good"]
ids = text_vectorization_forward(texts, vocabulary)  # (2, 4)

# weights of terms are learned apart, and given to the layer
vocabulary = text_vectorization_adapt(texts, output_mode="tf_idf")
weights = text_vectorization_idf(texts, vocabulary, output_mode="tf_idf")  # (5,)
numbers = text_vectorization_forward(texts, vocabulary, output_mode="tf_idf", idf_weights=weights)  # (2, 5)
```"""


def main() -> None:
    """Write the page again."""
    from reference.saving.files import write_text

    write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
