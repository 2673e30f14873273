"""What an exception may be meant for is told by what raised it and where, not by its type alone."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.base.call import WEIGHTS, Question
from conformance.base.record import ERROR
from conformance.implementations.module import ModuleImplementation
from conformance.implementations.process import python_process

X, KERNEL = np.ones((2, 3)), np.ones((3, 4))
ANYTHING = ("activation", "mask", WEIGHTS)
DEEP = """
import numpy as np
def product(x, kernel):
    return np.einsum("ij,jk->ik", x, kernel)
def dense_forward(x, kernel):
    return product(x[None], kernel)
"""
MODULE = """
import sys
import numpy as np
import reference
import helper_of_raised
sys.path.append(__file__.rpartition("/")[0] + "/site-packages")
import installed_for_raised
TABLE = {"linear": np.tanh, "relu": np.tanh}
class Functions:
    def __getattr__(self, name):
        raise AttributeError(name)
def inner_forward(x, kernel, recurrent_kernel, bias): return x
def second_forward(x, *, units): return x
def outer_forward(x, weights=(), activation="linear", mask=None):
    def of_name():
        if activation == "linear": found = np.tanh
        def apply(z): return found(z)
        return apply(x)
    BODY
"""
BODIES = {
    "raise": ('raise ValueError(f"unknown activation {activation}")', ANYTHING),
    "raise of a class": ("raise RuntimeError", ANYTHING),
    "assert": ('assert activation in TABLE, "unknown"', ANYTHING),
    "raise in a helper": ("helper_of_raised.refuse(activation)", ANYTHING),
    "raise below a function of NumPy": ("np.apply_along_axis(helper_of_raised.refuse, 0, x)", ANYTHING),
    "raise of installed code": ("installed_for_raised.refuse(activation)", ()),
    "raise of the reference": ('reference.lstm_forward(x, x, x, x, activation="nonsense")', ()),
    "raise of the standard library": ("import json; json.loads(activation)", ()),
    "import": ("import no_such_module", ()),
    "broadcasting": ("return x + np.ones((7, 9))", ()),
    "None": ("return x + None", ()),
    "int of a name": ("return int(activation)", ()),
    "a caught error that is raised again": ("try: x + None\n    except TypeError: raise", ()),
    "index of an array": ("return x[9]", ()),
    "key": ("return TABLE[activation](x)", ("activation",)),
    "key that is made of the value": ('return globals()["_" + activation.upper()](x)', ("activation",)),
    "key of another thing": ('return TABLE["sigmoid"](x)', ()),
    "key in the branch of the value": ('return {}["softmax"] if activation == "softmax" else x', ()),
    "attribute": ("return getattr(np, activation)(x)", ("activation",)),
    "attribute that is made of the value": ('return getattr(helper_of_raised, f"_{activation}_")(x)', ("activation",)),
    "attribute in the branch of the value": ("return np.softmax(x)", ()),
    "attribute of another thing": ("return getattr(np, 'sigmoid')(x)", ()),
    "attribute of None": ("return mask.nothing", ()),
    "unbound name": ('if activation == "linear": y = x\n    return y', ("activation",)),
    "unbound name beside a branch of another option": (
        'if weights == "softmax": z = x\n    if activation == "linear": y = x\n    return y',
        ("activation",),
    ),
    "unbound name of a chain by match": ('match activation:\n        case "linear": y = x\n    return y', ("activation",)),
    "unbound name in a branch by match": ('match activation:\n        case "softmax": z = x\n    return y\n    y = 1', ()),
    "unbound name in a branch for several": ('if activation in ("softmax", "relu"): z = x\n    return y\n    y = 1', ()),
    "unbound name of a closure": ("return of_name()", ("activation",)),
    "unbound name in the branch of the value": ('if activation == "softmax": yy = x\n    return y\n    y = 1', ()),
    "global name that is not there": ("return softmax(x)", ()),
    "weights of an inner function": ("return inner_forward(x, *weights)", (WEIGHTS,)),
    "arguments of a function of NumPy": ("return np.add()", ()),
    "option of an inner function": ("return second_forward(x, units=1, mask=mask)", ("mask",)),
    "option of a function of NumPy": ("return np.zeros(3, mask=mask)", ()),
    "weights one by one": ("kernel, recurrent_kernel, bias = weights", (WEIGHTS,)),
    "weights by their numbers": ("return weights[2]", (WEIGHTS,)),
    "too many to unpack": ("(kernel,) = weights", ()),
    "division": ("return 1 // 0", ()),
    "exit": ("sys.exit(3)", ()),
    "deep recursion": ("return outer_forward(x, weights, activation, mask)", ()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raised")
    (folder / "site-packages").mkdir()
    text = "def refuse(value): raise ValueError(value)\n"
    (folder / "helper_of_raised.py").write_text(text)
    (folder / "site-packages" / "installed_for_raised.py").write_text(text)
    for number, (body, _) in enumerate(BODIES.values()):
        (folder / f"mine{number}.py").write_text(MODULE.replace("BODY", body))
    return folder


def asked() -> Question:
    mask = np.ones((2, 3), bool)
    return Question("outer_forward", (X, (KERNEL, KERNEL)), {"activation": "softmax", "mask": mask})


@pytest.mark.parametrize("kind", BODIES)
def test_what_an_exception_may_be_meant_for(kind, folder):
    number = list(BODIES).index(kind)
    answer = ModuleImplementation(str(folder / f"mine{number}.py")).ask(asked())
    assert answer.status == ERROR, f"{kind}: nothing was raised, but {answer}"
    assert answer.refused == BODIES[kind][1], f"{kind}: {answer.message} may be meant for {answer.refused}"


@pytest.mark.parametrize("kind", ["raise", "key", "weights one by one", "broadcasting"])
def test_the_same_is_told_from_a_process_of_its_own(kind, folder):
    number = list(BODIES).index(kind)
    implementation = python_process(str(folder / f"mine{number}.py"), 60)
    try:
        answer = implementation.ask(asked())
    finally:
        implementation.close()
    assert (answer.status, answer.refused) == (ERROR, BODIES[kind][1]), f"{kind}: the reply says {answer}"


def test_a_package_is_own_where_it_is_installed(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "package_of_raised"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from package_of_raised.layers import relu\n")
    (package / "layers.py").write_text("from package_of_raised.helper import refuse\ndef relu(x, axis=-1): refuse(axis)\n")
    (package / "helper.py").write_text("def refuse(value): raise ValueError(value)\n")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    answer = ModuleImplementation("package_of_raised").ask(Question("relu", (X,), {"axis": 1}))
    assert answer.refused == ("axis", WEIGHTS), f"a raise in the package's own code may be meant for {answer.refused}"


def test_functions_without_a_file_are_own_code():
    space = {}
    exec("def relu(x, axis=-1): raise ValueError(axis)", space)
    answer = ModuleImplementation("space", space).ask(Question("relu", (X,), {"axis": 1}))
    assert answer.refused == ("axis", WEIGHTS), f"a raise in code from a text may be meant for {answer.refused}"


@pytest.mark.parametrize("make", [ModuleImplementation, lambda spec: python_process(spec, 60)], ids=["here", "in a process"])
def test_an_error_within_numpy_has_the_line_of_the_own_file(make, tmp_path):
    path = tmp_path / "deep.py"
    path.write_text(DEEP)
    there = make(str(path))
    message = there.ask(Question("dense_forward", (X, KERNEL))).message
    there.close()
    assert message.endswith("(deep.py, line 4)") and "raised ValueError" in message, f"it is told where NumPy raised it: {message}"
