"""Rubrics: what TOML may say, and what is told where it says something else."""

import re
from pathlib import Path

import pytest

from conformance.cases import known_layer
from conformance.grading.rubric import DEFAULT_LIMITS, RubricError, default_rubric, read_rubric
from conformance.implementations.sandbox.limits import MIB
from conformance.studies.data.paths import checkpoints_dir

ITEM = '[[item]]\nid = "dense"\npoints = 2\nlayers = ["Dense"]\n'
HEAD = '[assignment]\nname = "week-1"\n'
RUBRICS = Path(__file__).parents[3] / "fixtures" / "rubrics"


def written(folder, text):
    path = folder / "rubric.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rubric_says_what_it_says(tmp_path):
    (tmp_path / "adapter.py").write_text("")
    text = (
        HEAD.replace("[assignment]\n", '[assignment]\ntitle = "Week 1"\nfile = "mine.py"\nadapter = "adapter.py"\n')
        + '[sandbox]\npackages = ["numpy", "tqdm"]\nforbidden = ["np.dot"]\ncall_seconds = 1.5\nanswer_mib = 2\n'
        + '[defaults]\nfeedback = "full"\nrequired = ["use_bias"]\n'
        + ITEM
        + 'options = { activation = ["relu", "soft*"], use_bias = "True" }\n'
        + 'passes = ["forward"]\nlevel = "all"\nbatch = false\nhidden = 3\n'
        + '[[item]]\nid = "lstm"\ntitle = "LSTM"\npoints = 1.5\nlayers = ["LSTM"]\nbonus = true\nfeedback = "none"\nrequired = []\n'
    )
    rubric = read_rubric(written(tmp_path, text))
    dense, lstm = rubric.items
    assert (rubric.name, rubric.title, rubric.file, rubric.points) == ("week-1", "Week 1", "mine.py", 2), rubric
    assert rubric.adapter == tmp_path / "adapter.py", "paths are relative to the rubric"
    assert rubric.text == text, "the text is kept, for its hash"
    limits = rubric.limits
    assert (limits.packages, limits.forbidden, limits.call, limits.reply) == (("numpy", "tqdm"), ("np.dot",), 1.5, 2 * MIB), limits
    assert limits.lost == DEFAULT_LIMITS.lost, "what the rubric does not say stays as it is"
    assert dense.options == {"activation": ("relu", "soft*"), "use_bias": ("True",)}, dense
    assert (dense.passes, dense.level, dense.batch, dense.hidden, dense.title) == (("forward",), "all", False, 3, "dense"), dense
    assert (dense.feedback, dense.required) == ("full", ("use_bias",)), "defaults hold"
    assert (lstm.feedback, lstm.required) == ("none", ()), "an item overrides them"
    assert lstm.bonus and lstm.points == 1.5, lstm


REFUSED = {
    "": "it is empty",
    "[assignment": "is no TOML",
    HEAD: "there is no [[item]]",
    "item = 3\n" + HEAD: "there is no [[item]]",
    ITEM: "[assignment] needs a name",
    HEAD.replace("week-1", "../up") + ITEM: "[assignment]: name must be 1 to 80 letters",
    HEAD + "[sandbox]\npakages = []\n" + ITEM: "there is no 'pakages' in [sandbox]; did you mean packages?",
    HEAD + "[sandbox]\ncall_seconds = 0\n" + ITEM: "[sandbox] call_seconds must be a number above 0, got 0",
    HEAD + "[sandbox]\ncall_seconds = inf\n" + ITEM: "[sandbox] call_seconds must be a number above 0, got inf",
    HEAD + '[sandbox]\npackages = "numpy"\n' + ITEM: "[sandbox] packages must be a list of texts",
    HEAD + '[defaults]\nlayers = ["Dense"]\n' + ITEM: "there is no 'layers' in [defaults]",
    HEAD + ITEM + "colour = 1": "there is no 'colour' in item 1 (dense)",
    HEAD + ITEM.replace("points = 2", ""): "item 1 (dense) has no points",
    HEAD + ITEM.replace("points = 2", "points = -1"): "item 1 (dense): points must be a number, 0 or more, got -1",
    HEAD + ITEM.replace("points = 2", "points = nan"): "points must be a number, 0 or more, got nan",
    HEAD + ITEM.replace("points = 2", "points = true"): "points must be a number, 0 or more, got True",
    HEAD + ITEM.replace("points = 2", "points = 0"): "no item that is not a bonus has any points",
    HEAD + ITEM.replace('"Dense"', '"Dens"'): "'Dens' is not a layer that the suite has cases for; did you mean Dense",
    HEAD + ITEM.replace('["Dense"]', "[]"): "layers must be a list of layers",
    HEAD + ITEM + 'passes = ["forwards"]': "passes must be a list of passes, of forward, backward",
    HEAD + ITEM + 'options = { activaton = "relu" }': "Dense has no option 'activaton'; did you mean activation?",
    HEAD + ITEM + "options = { activation = [] }": "options must be a table of options and patterns",
    HEAD + ITEM + 'required = ["mask"]': "Dense has no option 'mask'",
    HEAD + ITEM + 'level = "hard"': "level must be one of core, edge, all, got 'hard'",
    HEAD + ITEM + 'visibility = "later"': "visibility must be one of visible, hidden, after_due_date, after_published",
    HEAD + ITEM + 'feedback = "much"': "feedback must be one of none, category, sentence, full",
    HEAD + ITEM + "hidden = 1.5": "hidden must be a whole number",
    HEAD + ITEM + 'batch = "no"': "batch must be true or false",
    HEAD + ITEM + ITEM.replace('"dense"', '"Dense"'): "two items have the id 'dense'",
    HEAD + ITEM + 'model = "m.keras"': "model: there is no file",
    HEAD + ITEM.replace('layers = ["Dense"]', ""): "item 1 (dense) needs either layers, or a model and its data",
    HEAD.replace("name", "adapter") + ITEM: "adapter: there is no file",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_is_named(text, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(RubricError, match=re.escape(REFUSED[text])) as caught:
        read_rubric(path)
    assert str(path) in str(caught.value), "the sentence names the file"


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe\x00")])
def test_what_is_no_file_of_text_is_named(make, tmp_path):
    path = tmp_path / "rubric.toml"
    make(path)
    with pytest.raises(RubricError, match=r"rubric\.toml (cannot be read|is no TOML|is no rubric)"):
        read_rubric(path)


@pytest.mark.parametrize("path", sorted(RUBRICS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_rubric_can_be_read(path):
    rubric = read_rubric(path)
    assert rubric.points in (10, 100), f"{path.name} is worth {rubric.points} points, a number that people calculate with"
    assert all(known_layer(layer) for item in rubric.items for layer in item.layers)


def test_the_default_rubric_is_that_of_the_two_studies():
    rubric = default_rubric()
    layers = {layer for item in rubric.items for layer in item.layers if not item.bonus}
    assert {"Conv2D", "MaxPooling2D", "Dense", "SimpleRNN", "LSTM"} <= layers, layers
    assert all(item.bonus for item in rubric.items if "backward" in item.passes), "backward propagation is a bonus"
    assert any(item.model for item in rubric.items), "a trained model is predicted with"


@pytest.mark.parametrize("name", ["digits-cnn", "reviews-lstm"])
def test_the_models_of_the_rubrics_are_the_checkpoints(name):
    shipped, trained = RUBRICS / f"{name}.keras", checkpoints_dir() / name / "model.keras"
    assert shipped.read_bytes() == trained.read_bytes(), f"{shipped} is another model than {trained}: copy it again, and make its data"
