"""Recorded vectors: they are what the declared cases ask today, recording again changes nothing, and damage is told in a sentence."""

from __future__ import annotations

import importlib.metadata
import json
import math
import shutil
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from conformance.base.arrays import Arrays, same
from conformance.base.errors import SuiteError, VectorsError
from conformance.cases import ALL, FAMILIES, NAMES, layer_cases
from conformance.cases.case import declared_cases
from conformance.cases.draw import draw_arrays
from conformance.cases.gradients import Backward, backward_cases
from conformance.cases.losses import LOSS_CASES, loss_cases
from conformance.cases.masks import mask_cases
from conformance.cases.optimizers import OPTIMIZER_CASES, optimizer_cases
from conformance.cases.stateful import stateful_cases
from conformance.cases.text import text_cases
from conformance.implementations.module import ModuleImplementation
from conformance.judging.cross_check import check_agreement
from conformance.judging.judge import judge_case
from conformance.oracle.live import cache as cached
from conformance.oracle.live import forward as live
from conformance.oracle.live import keras as live_keras
from conformance.oracle.live.keras import DRAWS, LiveKeras
from conformance.oracle.recorded import generator, tensors, vectors
from conformance.oracle.recorded.reader import FAMILY_OF, PROFILE, SEED, Recorded
from conformance.oracle.recorded.vectors import StoredCase
from conformance.recording import layers as recording
from conformance.recording import update
from conformance.selftests.builders.place import FORWARD, HIDING, USAGE_ERROR, Place, checkout, said

FOLDER = vectors.folder()
NARROW = ("--conform-layers=Dense,GRU,Masking", "--conform-profile=smoke")
LARGEST = 38_000_000
"""Bytes that all files may take."""
PRECISE = 45
"""Binary digits that are not enough for a float64 array that has all of its own."""
ORACLE = Recorded()
REFERENCE = ModuleImplementation("reference")
ABSENT = {"keras", "tensorflow", "h5py", "hypothesis", "sklearn", "scipy", "tabulate", "tqdm", "typer", "click", "pooch"}


@pytest.fixture(scope="module")
def stored():
    return update.stored_entries(FOLDER)


@pytest.fixture
def copy(tmp_path):
    """The vectors in a folder of their own, to be damaged."""
    return shutil.copytree(FOLDER, tmp_path / "vectors")


def damaged(folder):
    """An oracle that reads a folder as a new process would."""
    vectors.manifest.cache_clear()
    return Recorded(folder)


def ask(oracle, layer="Flatten"):
    return oracle.draws(layer_cases(layer), next(declared_cases(ALL[layer])), SEED)


@checkout
def test_the_manifest_tells_what_there_is(stored):
    facts = vectors.manifest(FOLDER)
    assert facts["generator"] == generator.generator_hash(), "what asks or writes has changed since the recording: run `conform record`"
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sizes.keys() == {*facts["files"], "manifest.json"}, "a file is missing, or there is one that the manifest does not name"
    assert all(known["bytes"] == sizes[name] for name, known in facts["files"].items()), "the manifest states another size"
    counts = {name + vectors.ENDING: len(entries) for name, entries in stored.items()}
    assert counts == {name: known["cases"] for name, known in facts["files"].items()}, "the manifest states another number of cases"
    assert sum(sizes.values()) <= LARGEST, f"the recorded vectors take {sum(sizes.values()):,} bytes, at most {LARGEST:,} may be"


@checkout
@pytest.mark.parametrize("pattern", generator.GENERATOR)
def test_every_source_that_makes_a_recording_is_there(pattern):
    assert any(generator.ROOT.glob(pattern)), f"{pattern} matches no file: where did the sources go that it stood for?"


def test_every_question_is_recorded_and_nothing_else(stored):
    asked = {("forward", case.id) for layer in ALL.values() for case in declared_cases(layer, PROFILE)}
    asked |= {("backward", case.id) for layer in ALL.values() for case in backward_cases(layer, PROFILE)}
    asked |= {("mask", case.id) for case in mask_cases()} | {("stateful", case.id) for case in stateful_cases()}
    asked |= {("text", identifier) for identifier, _ in text_cases(PROFILE)}
    asked |= {("loss", case.id) for name in LOSS_CASES for case in loss_cases(name, PROFILE)}
    asked |= {("optimizer", case.id) for name in OPTIMIZER_CASES for case in optimizer_cases(name, PROFILE)}
    found = {key for entries in stored.values() for key in entries}
    assert found == asked, f"not recorded: {sorted(asked - found)[:3]}; not asked: {sorted(found - asked)[:3]}; run `conform record`"


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_recorded_is_what_the_cases_draw(family):
    for layer in FAMILIES[family]:
        for case in declared_cases(layer, PROFILE):
            (recorded,) = ORACLE.draws(layer, case, SEED)
            draws = (draw_arrays(layer, case, case.seed(SEED) + number) for number in range(DRAWS))
            assert any(same(recorded, arrays) for arrays in draws), f"{case.id} draws other arrays than were recorded: run `conform record`"


def refused(*arguments, **options):
    raise InterruptedError


def test_live_keras_is_not_asked_in_float64_what_a_current_recording_holds(monkeypatch):
    layer = ALL["SimpleRNN"]
    case = next(case for case in declared_cases(layer, PROFILE) if case.dtype == "float32")
    (arrays,) = ORACLE.draws(layer, case, SEED)
    other = Arrays(arrays.x * np.float32(0.9), arrays.weights, arrays.arguments)
    anew = LiveKeras(use_cache=False).expect(layer, case, arrays)
    stored = ORACLE.expect(layer, case, arrays)
    monkeypatch.setattr(live, "expect", refused)
    monkeypatch.setattr(cached, "is_current", lambda: True)
    found = LiveKeras().expect(layer, case, arrays)
    assert np.array_equal(found.outputs[0], stored.outputs[0]), "the expected value is not the recorded one"
    assert np.array_equal(found.rounding()[0], stored.rounding()[0]), "what is allowed is not what was recorded"
    assert np.array_equal(found.keras[0], anew.keras[0]) and found.dtypes == anew.dtypes, "Keras's own answer is not asked for"
    for oracle, asked, current in ((LiveKeras(use_cache=False), arrays, True), (LiveKeras(), other, True), (LiveKeras(), arrays, False)):
        monkeypatch.setattr(cached, "is_current", lambda current=current: current)
        with pytest.raises(InterruptedError):
            oracle.expect(layer, case, asked)


def test_live_keras_is_not_differentiated_in_float64_where_a_current_recording_holds_it(monkeypatch):
    layer = ALL["Dense"]
    case = next(case for case in backward_cases(layer, PROFILE) if case.dtype == "float32")
    backward = ORACLE.backward(layer, case, SEED)
    other = Backward(backward.arrays, tuple(-grad for grad in backward.grads))
    anew = LiveKeras(use_cache=False).gradients(layer, case, backward)
    stored = ORACLE.gradients(layer, case, backward)
    monkeypatch.setattr(live_keras, "expect_gradients", refused)
    monkeypatch.setattr(cached, "is_current", lambda: True)
    found = LiveKeras().gradients(layer, case, backward)
    assert all(map(np.array_equal, found.outputs, stored.outputs)), "the expected gradients are not the recorded ones"
    assert all(map(np.array_equal, found.rounding(), stored.rounding())), "what is allowed is not what was recorded"
    assert all(map(np.array_equal, found.keras, anew.keras)) and found.dtypes == anew.dtypes, "Keras's own gradients are not asked for"
    uncached = LiveKeras(use_cache=False)
    for oracle, asked, current in ((uncached, backward, True), (LiveKeras(), other, True), (LiveKeras(), backward, False)):
        monkeypatch.setattr(cached, "is_current", lambda current=current: current)
        with pytest.raises(InterruptedError):
            oracle.gradients(layer, case, asked)


@pytest.mark.parametrize("layer", ["Dropout", "relu", "Dense"])
def test_masks_deviations_and_float64_are_never_cached(monkeypatch, layer):
    monkeypatch.setattr(cached, "is_current", lambda: True)
    cacheable = 0
    for case in declared_cases(ALL[layer], PROFILE):
        (arrays,) = ORACLE.draws(ALL[layer], case, SEED)
        found = cached.cached(ALL[layer], case, arrays)
        expected = case.dtype == "float32" and case.deviation is None and layer != "Dropout"
        assert (found is not None) == expected, f"{case.id}: cached {found is not None}"
        cacheable += expected
    assert (cacheable > 0) == (layer != "Dropout"), "nothing is cached at all"


def test_a_recording_is_current_for_its_code_and_versions_alone(monkeypatch):
    facts = vectors.manifest(FOLDER)
    for name in ("keras", "tensorflow", "numpy", "generator"):
        changed = {**facts, "generator": update.generator_hash(), name: "of yesterday"}
        monkeypatch.setattr(cached, "manifest", lambda place, changed=changed: changed)
        assert not cached.is_current.__wrapped__(), f"the recording has another {name}, and is current all the same"
    monkeypatch.setattr(cached, "manifest", lambda place: {**facts, "generator": update.generator_hash()})
    installed = {name: importlib.metadata.version(name) for name in ("keras", "tensorflow", "numpy")}
    assert cached.is_current.__wrapped__() == all(facts[name] == one for name, one in installed.items()), "versions are compared wrongly"


def fresh_from(stored, **changed):
    """What a recording gives: everything as stored, some layers otherwise."""
    entries = [entry for family in stored.values() for entry in family.values()]
    return {name: changed.get(name, [entry for entry in entries if entry.facts["layer"] == name]) for name in NAMES}


@pytest.fixture
def only(monkeypatch):
    """Has a recording consist of some families alone: the others are not read, compared and written as well."""
    return lambda *families: monkeypatch.setattr(update, "LAYERS_OF", {name: update.LAYERS_OF[name] for name in families})


def test_recording_again_without_a_change_gives_the_same_bytes(stored, tmp_path, only):
    again = {name: recording.record_layer(name) for name in ("Masking", "Add", "softmax", "GlobalAveragePooling2D", "TextVectorization")}
    only(*dict.fromkeys(FAMILY_OF[name] for name in again))
    kept, sentences = update.settle(fresh_from(stored, **again), FOLDER)
    assert not sentences, f"Keras gives the same as when it was recorded, but: {sentences[:3]}"
    update.store(kept, tmp_path)
    written = [path for path in tmp_path.iterdir() if path.suffix == vectors.ENDING]
    assert len(written) == len(kept), "every family has its file"
    different = [path.name for path in written if path.read_bytes() != (FOLDER / path.name).read_bytes()]
    assert not different, f"nothing changed, but other bytes were written: {different}"
    told = [json.loads((folder / vectors.MANIFEST).read_text()) for folder in (tmp_path, FOLDER)]
    assert told[0]["files"].items() <= told[1]["files"].items(), "the manifest tells something else of them"


def moved(entry, name, value):
    return StoredCase(entry.facts, {**entry.tensors, name: value})


def test_a_change_in_keras_shows_in_words(stored):
    entry = stored["core"]["forward", "Dense-units=6-features-float64"]
    y = entry.tensors["output/0"]
    cases = {
        "output/0: 1 of 18 values moved, by 0.5 at most": moved(entry, "output/0", y + 0.5 * (np.arange(18).reshape(3, 6) == 7)),
        "output/0 was float64 (3, 6), is float64 (6, 3)": moved(entry, "output/0", y.T),
        "input: 1 of 15 values moved": moved(entry, "input", entry.tensors["input"] + 1e-15 * (np.arange(15).reshape(3, 5) == 0)),
        "alternative/0/0 is new": moved(entry, "alternative/0/0", y),
        "dtypes was ['float64'], is ['float32']": StoredCase({**entry.facts, "dtypes": ["float32"]}, entry.tensors),
        "Keras's own error over tolerance was": StoredCase({**entry.facts, "keras_error_over_allowance": 0.4}, entry.tensors),
    }
    for sentence, changed in cases.items():
        told = update.differences(entry, changed)
        assert len(told) == 1 and told[0].startswith(sentence), f"expected {sentence!r}, told was {told}"


def test_a_change_in_a_gradient_shows_in_words(stored):
    entry = stored["recurrent"]["backward", "LSTM-units=5-sequence-float64"]
    y, response = entry.tensors["output/0"], entry.tensors["response"]
    slightly = moved(moved(entry, "output/0", y + 1e-15), "response", response * (1 + 1e-9))
    assert update.differences(entry, slightly) == [], "a difference in the last digit is told as a change"
    (told,) = update.differences(entry, moved(entry, "output/0", y + 1e-12 * (np.arange(y.size).reshape(y.shape) == 7)))
    assert told.startswith(f"output/0: 1 of {y.size} values moved"), f"a gradient that moved is told as {told}"
    (told,) = update.differences(entry, moved(entry, "response", 2 * response))
    assert told.startswith(f"response: {response.size} of {response.size} values moved"), f"a tolerance that doubled is told as {told}"


def test_the_last_digits_of_another_processor_are_no_change(stored, only):
    entry = stored["recurrent"]["forward", "LSTM-units=5-sequence-float32"]
    slightly = moved(entry, "output/0", entry.tensors["output/0"] * (1 + 1e-15))
    slightly = moved(slightly, "allowed/0", np.nextafter(entry.tensors["allowed/0"], np.float32(1)))
    assert update.differences(entry, slightly) == [], "a difference in the last digit is told as a change"
    others = [one for one in fresh_from(stored)["LSTM"] if one.key != entry.key]
    only("recurrent")
    kept, sentences = update.settle(fresh_from(stored, LSTM=[slightly, *others]), FOLDER)
    (again,) = (one for one in kept["recurrent"] if one.key == entry.key)
    assert not sentences and again.tensors["output/0"] is not slightly.tensors["output/0"], "the stored digits were not kept"


def test_new_and_lost_cases_are_told(stored, only):
    only("core")
    first, *others = fresh_from(stored)["Flatten"]
    new = StoredCase({**first.facts, "id": "Flatten-of-tomorrow"}, first.tensors)
    _, sentences = update.settle(fresh_from(stored, Flatten=[new, *others]), FOLDER)
    assert sentences == ["Flatten-of-tomorrow (forward): new", f"{first.facts['id']} (forward): gone"], f"told was {sentences}"


def test_the_files_are_read_by_what_is_written_about_them():
    """One case, decoded by hand from the first of each width on, as a program in another language would."""
    from safetensors import safe_open

    with safe_open(FOLDER / "core.safetensors", framework="numpy") as file:
        document = json.loads(zlib.decompress(file.get_tensor("facts").tobytes()))
        columns = {width: file.get_tensor(f"width{width}") for width in range(1, 9)}
    begin = dict.fromkeys(columns, 0)
    for facts in document["cases"]:
        found = {}
        for name, _, shape, width, exponent, *_ in facts["tensors"]:
            values = [columns[width][:, begin[width] + n].tobytes() for n in range(math.prod(shape))] if width else []
            begin[width] = begin.get(width, 0) + len(values)
            number = [int.from_bytes(one, "little", signed=True) * 2.0 ** (exponent or 0) for one in values]
            floats = {2: "<e", 4: "<f", 8: "<d"}
            found[name] = number if exponent is not None else [struct.unpack(floats[width], one)[0] for one in values]
        if facts["id"] == "Dense-units=6-features-float64" and facts["kind"] == "forward":
            break
    x, kernel, y = (np.reshape(found[name], shape) for name, shape in (("input", (3, 5)), ("weight/kernel", (5, 6)), ("output/0", (3, 6))))
    assert np.allclose(x @ kernel + found["weight/bias"], y, rtol=0, atol=1e-12), "the arrays of a Dense case are not those of a layer"
    assert facts["function"] == "dense_forward", "a reader is not told which function is asked"


def has_all_digits(array):
    """Whether more than half of its numbers are others when they are rounded to 45 binary digits."""
    fractions = np.frexp(array[np.isfinite(array)])[0] * 2.0**PRECISE
    return np.mean(fractions != np.rint(fractions)) > 0.5 if fractions.size else True


@pytest.mark.parametrize("name", ALL)
def test_arrays_have_all_their_digits(name):
    """On a coarse grid a layer that adds in float32 would look exact; of a few kinds (ties, kinks, ids) that is what they are."""
    told = {}
    for case in declared_cases(ALL[name], PROFILE):
        (arrays,) = ORACLE.draws(ALL[name], case, SEED)
        xs = arrays.x if isinstance(arrays.x, tuple) else (arrays.x,)
        floats = [array for array in (*xs, *arrays.weights) if array.dtype == np.float64 and array.size]
        if floats:
            told[case.id] = all(map(has_all_digits, floats))
    assert next(iter(told.values())), f"the plain case of {name} has numbers of few digits"
    few = [one for one, all_there in told.items() if not all_there]
    assert len(few) <= len(told) / 2, f"{len(few)} of {len(told)} cases of {name} have numbers of few digits: {few[:3]}"


def test_expected_values_are_rounded_to_a_small_part_of_what_is_allowed():
    y, allowed = np.array([0.1, -123.456789, np.nan, 1e300, 0.0, 1 / 3]), np.array([1e-11, 1e-9, 1e-11, 1.0, 0.0, 0.0])
    stored = tensors.rounded(y, allowed, "float64")
    exact = [1 / 3, np.nan, 1e300]
    assert np.array_equal(stored[[5, 2, 3]], exact, equal_nan=True), "what must be exact, or is no number, was rounded"
    off = np.abs(stored - y)[:2]
    assert np.all((off > 0) & (off < 1e-13)), f"rounded by {off}, it should be some, and less than 1e-13"
    assert np.all(stored[:2] * 2.0**44 % 1 == 0), "the numbers are no multiples of one power of two"
    assert np.array_equal(tensors.rounded(y, np.zeros(6), "float64"), y, equal_nan=True), "an exact rule was rounded"


DAMAGE = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "there are no recorded vectors"),
    "manifest cut": (lambda folder: (folder / "manifest.json").write_text('{"format": 2, "fil'), "cannot be read"),
    "another format": (lambda folder: (folder / "manifest.json").write_text('{"format": 9}'), "is of format 9, this version reads 2"),
    "no file": (lambda folder: (folder / "core.safetensors").unlink(), "core.safetensors, which the manifest names, is missing"),
    "file cut": (lambda folder: cut(folder / "core.safetensors"), "is not the file that the manifest names"),
    "not named": (lambda folder: (folder / "manifest.json").write_text('{"format": 2, "files": {}}'), "names no core.safetensors"),
    "cut and named so": (lambda folder: renamed(folder, cut), "cannot be read"),
    "of something else": (lambda folder: renamed(folder, foreign), "cannot be read"),
    "facts damaged": (lambda folder: renamed(folder, without_facts), "cannot be read"),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, path)


def without_facts(path):
    from safetensors.numpy import save_file

    save_file({"facts": np.arange(100, dtype=np.uint8)}, path)


def renamed(folder, change):
    """A damaged file that the manifest describes as it is."""
    import hashlib

    path = folder / "core.safetensors"
    change(path)
    facts = json.loads((folder / "manifest.json").read_text())
    facts["files"][path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(facts))


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_told_in_a_sentence(copy, kind):
    change, sentence = DAMAGE[kind]
    change(copy)
    with pytest.raises(VectorsError) as told:
        ask(damaged(copy))
    assert sentence in str(told.value), f"{kind}: {told.value}"


def test_a_case_that_was_not_recorded_says_so():
    case = replace(next(declared_cases(ALL["Flatten"])), title="of tomorrow")
    with pytest.raises(VectorsError, match=r"core.safetensors does not hold Flatten-of tomorrow-float64: `conform record`"):
        ORACLE.draws(ALL["Flatten"], case, SEED)


def test_oracles_that_disagree_stop_the_run(monkeypatch):
    """The check that every declared case goes through in this project's own run."""
    case = next(declared_cases(ALL["Dense"]))
    result = judge_case(case, REFERENCE, ORACLE, SEED, strict=True)
    check_agreement(result, [REFERENCE])
    right = Recorded.expect

    def off(self, layer, case, arrays):
        expectation = right(self, layer, case, arrays)
        return replace(expectation, outputs=tuple(y + 1 for y in expectation.outputs), alternatives=(), single=None)

    monkeypatch.setattr(Recorded, "expect", off)
    with pytest.raises(SuiteError, match=r"Dense-units=6-features-float64 of reference: live Keras says passed .* vectors say failed"):
        check_agreement(result, [REFERENCE])


def test_the_suite_runs_without_tensorflow(tmp_path):
    place = Place(tmp_path)
    place.customize(HIDING.format(hidden=ABSENT))
    result = place.pytest("--pyargs", "conformance", "--iut=reference", "--conform-oracle=recorded", *NARROW)
    assert result.returncode == 0, f"with NumPy, pytest and safetensors alone: {said(result)[-3000:]}"
    assert "against recorded vectors of Keras" in result.stdout, "the header names the oracle"
    assert "drawn cases need live Keras" in result.stdout, f"what was not asked is told: {result.stdout[-2000:]}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--conform-seed=7"], "cannot answer --conform-seed=7: the recorded vectors are those of profile standard and seed 0"),
        (["--conform-seed=random"], "the recorded vectors are those of profile standard and seed 0; live Keras can"),
        (["--conform-profile=full"], "cannot answer --conform-profile=full"),
    ],
)
def test_what_was_not_recorded_is_refused_before_collection(tmp_path, arguments, sentence):
    result = Place(tmp_path).pytest(*FORWARD, "--conform-oracle=recorded", "--conform-layers=relu", *arguments)
    assert result.returncode == USAGE_ERROR and sentence in said(result), f"{arguments}: {said(result)[-1500:]}"


def test_without_safetensors_one_sentence(tmp_path):
    place = Place(tmp_path)
    place.customize(HIDING.format(hidden={"safetensors"}))
    place.write("mine.py", "def relu(x): return x\n")
    result = place.python("-m", "conformance.cli.check", "mine.py")
    assert result.returncode == 2, f"nothing could be asked: {said(result)}"
    assert "needs the package safetensors" in result.stderr and "Traceback" not in said(result), said(result)
