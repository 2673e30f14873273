"""The inner network does without the outward model: it is trained and saved, and knows the reference's functions, by itself."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import reference
from conformance.selftests.builders.untrained import CLASSES, VECTORS, small_model
from reference.layers import FUNCTIONS
from reference.models import Model, load_model
from reference.network.network import Network

PACKAGE = Path(reference.__file__).parent


def imported(path: Path) -> set[str]:
    """The modules that a file imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_nothing_inside_imports_the_outward_model() -> None:
    inside = set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py", PACKAGE / "models.py", PACKAGE / "whole.py"}
    climbing = sorted(str(path) for path in inside if "reference.models" in imported(path))
    assert not climbing, f"training, saving and the network stand below the model, but it is imported by {climbing}"


def test_the_functions_of_the_network_are_those_that_users_import() -> None:
    public = {name: getattr(reference, name) for name in reference.__all__ if name.endswith(("_forward", "_compute_mask"))}
    assert public == FUNCTIONS, f"in one of them alone: {sorted(set(public) ^ set(FUNCTIONS))}"


def test_a_network_is_trained_and_saved_as_the_model_around_it_is(tmp_path: Path) -> None:
    model = small_model()
    inner = Network(model.graph, model.context, model.config)
    assert repr(inner).startswith("<Network of ") and repr(model).startswith("<Model of "), "each says what it is"
    trained = {}
    for one in (model, inner):
        save = reference.ModelCheckpoint(tmp_path / "last.keras")
        history = reference.fit(one, VECTORS, CLASSES, loss="sparse_categorical_crossentropy", epochs=2, callbacks=[save], verbose=0)
        trained[type(history.model)] = history.model.predict(VECTORS)
        saved = load_model(tmp_path / "last.keras").predict(VECTORS)
        assert np.array_equal(saved, trained[type(history.model)]), f"the file of a {type(one).__name__} is not what was trained"
    assert set(trained) == {Model, Network}, "a training gives back another class than it was given"
    assert not np.array_equal(trained[Model], model.predict(VECTORS)), "nothing was trained"
    assert np.array_equal(trained[Model], trained[Network]), "a network is trained otherwise than a model"
