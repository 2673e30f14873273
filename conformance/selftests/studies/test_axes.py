"""The axes of the tables: every row stands somewhere, every name exists, totals and published figures are those of the studies."""

import pytest

from conformance.studies.experiments import grid
from conformance.studies.experiments.axes import AXES, STUDY_B_TEST, published

TOTALS = {
    ("cnn", "best model"): [545_098, 356_810, 545_098, 545_386, 280_298],
    ("rnn", "best model"): [825_347, 825_091, 961_086],
    ("rnn", "parts of the best model"): [874_723, 835_843, 835_651, 918_339, 961_086],
    ("lstm", "best model"): [890_755, 923_523, 979_710],
    ("lstm", "parts of the best model"): [893_347, 854_467, 854_275, 854_467, 206_723, 854_467, 854_467, 936_963, 979_710],
    ("rnn", "ratios of the best model"): [918_339, 961_086],
    ("lstm", "ratios of the best model"): [936_963, 979_710],
    ("cnn", "depth"): [1_050_890, 545_098, 356_810, 520_906],
    ("cnn", "filters"): [268_650, 545_098, 1_125_642, 564_426, 1_201_162],
    ("cnn", "kernel"): [534_378, 545_098, 560_106, 579_402, 548_938, 577_866],
    ("cnn", "pooling"): [545_098, 545_098],
    ("rnn", "depth"): [767_491, 792_195, 816_899],
    ("rnn", "units"): [744_707, 767_491, 825_347],
    ("rnn", "direction"): [775_683, 825_347],
    ("rnn", "final model"): [825_091, 816_899],
    ("rnn", "masking, one way"): [775_683, 775_683],
    ("rnn", "masking, both ways"): [825_347, 825_347],
    ("rnn", "stack of study A, one way"): [730_611, 736_099, 749_763],
    ("rnn", "stack of study A, both ways"): [735_459, 747_203, 777_603],
    ("lstm", "depth"): [890_755, 989_571, 1_088_387],
    ("lstm", "units"): [800_195, 890_755, 1_121_027],
    ("lstm", "direction"): [923_523, 1_121_027],
    ("lstm", "final model"): [1_318_659, 1_088_387],
    ("lstm", "masking, one way"): [923_523, 923_523],
    ("lstm", "masking, both ways"): [890_755, 890_755],
    ("lstm", "stack of study A, one way"): [744_315, 766_195, 820_707],
    ("lstm", "stack of study A, both ways"): [763_635, 810_467, 931_779],
}
STUDY_B = {
    ("cnn", "depth"): [0.5655, 0.6965, 0.7143, None],
    ("cnn", "filters"): [0.6728, 0.6965, 0.7065, None, None],
    ("cnn", "kernel"): [None, 0.6965, None, 0.6897, 0.6627, None],
    ("cnn", "pooling"): [0.6965, 0.6826],
    ("rnn", "depth"): [0.4920, 0.5551, 0.5571],
    ("rnn", "units"): [0.5640, 0.5052, 0.4158],
    ("rnn", "direction"): [0.3770, 0.5701],
    ("rnn", "final model"): [0.6105, 0.5571],
    ("lstm", "depth"): [0.7505, 0.5604, 0.5914],
    ("lstm", "units"): [0.7407, 0.7408, 0.7186],
    ("lstm", "direction"): [0.1827, 0.5941],
    ("lstm", "final model"): [0.6275, 0.5914],
}
STUDY_A = {
    ("cnn", "filters"): [None, None, None, 0.6878, 0.6967],
    ("cnn", "kernel"): [0.6936, 0.6779, 0.6419, None, None, None],
    ("cnn", "pooling"): [0.7205, 0.7121],
    ("rnn", "depth"): [0.4413, 0.3185, 0.4498],
    ("rnn", "units"): [0.3178, 0.3377, 0.3561],
    ("rnn", "direction"): [0.4420, 0.4683],
    ("rnn", "final model"): [None, 0.4498],
    ("lstm", "depth"): [0.1836, 0.1836, 0.1836],
    ("lstm", "units"): [0.1836, 0.1836, 0.1836],
    ("lstm", "direction"): [0.4420, 0.7636],
    ("lstm", "final model"): [None, 0.1836],
}


def test_every_row_but_the_embedded_ones_stands_in_an_axis():
    standing = {variation.row for axis in AXES for variation in axis.variations}
    embedded = {row.name for row in grid.EMBEDDED}
    assert standing == set(grid.ALL) - embedded, "a row is in no table, or a table names a row that is not declared"


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.slug)
def test_totals_and_figures_are_those_of_the_studies(axis):
    key, nothing = (axis.family, axis.name), [None] * len(axis.variations)
    rows = [grid.find(variation.row) for variation in axis.variations]
    assert {row.family for row in rows} == {axis.family}, "an axis compares the models of its family"
    assert [row.parameters for row in rows] == TOTALS[key], "another total is another model"
    assert [variation.b for variation in axis.variations] == STUDY_B.get(key, nothing), "what study B reports"
    assert [variation.a for variation in axis.variations] == STUDY_A.get(key, nothing), "what study A reports"


def test_an_axis_varies_one_thing():
    for axis in AXES:
        assert len({variation.label for variation in axis.variations}) == len(axis.variations), f"{axis.slug}: two rows of one name"
        assert len({variation.row for variation in axis.variations}) == len(axis.variations), f"{axis.slug}: one row twice"
    assert len({axis.slug for axis in AXES}) == len(AXES), "two figures would share a file"
    assert all(axis.slug.isascii() and " " not in axis.slug for axis in AXES), "a slug is the name of a file"


def test_two_figures_for_one_model_are_both_named():
    assert published("nusax-birnn-128", "b") == [0.4158, 0.5701], "study B gives it two"
    assert published("nusax-bilstm-64", "b") == [0.7505, 0.7408], "in the order of the tables"
    assert published("nusax-bilstm-64", "a") == [0.1836], "the same figure twice is one"
    assert published("nusax-bilstm-64-mask", "b") == [], "the studies do not mask"


def test_accuracy_and_loss_stand_beside_macro_f1():
    assert all(published(row, "b") for row in STUDY_B_TEST), "study B gives both of a model"
    assert all(0 < accuracy < 1 < 3 * loss for accuracy, loss in STUDY_B_TEST.values()), "accuracy first, then loss"
