"""The rules of TextVectorization that implementations get wrong, each with its expected value written out."""

import numpy as np
import pytest

from reference.layers.text_vectorization import text_vectorization_adapt as adapt
from reference.layers.text_vectorization import text_vectorization_forward as forward
from reference.layers.text_vectorization import text_vectorization_idf as idf


def ids(text, vocabulary, **options):
    return forward([text], vocabulary, **options)[0].tolist()


def test_vocabulary_is_by_frequency_then_descending_code_points():
    assert adapt(["b a c", "é Z c 漢 😀"], standardize=None) == ["", "[UNK]", "c", "😀", "漢", "é", "b", "a", "Z"]


@pytest.mark.parametrize(("mode", "special"), [("int", ["", "[UNK]"]), ("count", ["[UNK]"]), ("tf_idf", ["[UNK]"])])
def test_max_tokens_counts_the_special_tokens(mode, special):
    assert adapt(["a a a b b c"], output_mode=mode, max_tokens=3) == special + ["a", "b"][: 3 - len(special)]


def test_special_tokens_in_the_text_are_not_terms():
    assert adapt(["[UNK] [UNK] a"], standardize=None) == ["", "[UNK]", "a"]
    assert adapt(["[UNK] [UNK] a"]) == ["", "[UNK]", "unk", "a"]
    assert adapt(["", "a"], split=None) == ["", "[UNK]", "a"]


def test_lower_case_is_ascii_only():
    assert adapt(["CAFÉ"]) == ["", "[UNK]", "cafÉ"]


def test_punctuation_is_deleted_without_a_space_and_is_ascii_only():
    assert adapt(["a-b_c's"]) == ["", "[UNK]", "abcs"]
    assert adapt(["“a”"]) == ["", "[UNK]", "“a”"]
    assert adapt(["!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ a"]) == ["", "[UNK]", "a"]


@pytest.mark.parametrize(
    ("standardize", "term"),
    [(None, "A-B"), ("lower", "a-b"), ("strip_punctuation", "AB"), ("lower_and_strip_punctuation", "ab")],
)
def test_standardize(standardize, term):
    assert adapt(["A-B"], standardize=standardize) == ["", "[UNK]", term]


def test_only_six_characters_are_whitespace():
    assert ids("  a b\tc\nd\ve\ff\rg ", list("abcdefg")) == [2, 3, 4, 5, 6, 7, 8]
    for character in "\x1c\x1d\x1e\x1f\x85\xa0\u2003\u3000":
        assert ids(f"a{character}b", ["a", "b"]) == [1]


def test_characters_include_spaces():
    assert ids("a b", ["a", " "], split="character") == [2, 3, 1]


def test_functions_for_standardize_and_split():
    options = {"standardize": str.swapcase, "split": lambda text: text.split("|")}
    assert adapt(["a|B"], **options) == ["", "[UNK]", "b", "A"]
    assert ids("b|A", ["a", "B"], **options) == [3, 2]


def test_ngrams_of_an_int_start_with_single_tokens():
    assert ids("a b a", ["a", "b", "a b", "b a"], ngrams=2) == [2, 3, 2, 4, 5]


def test_ngrams_of_a_tuple_keep_its_order():
    assert ids("a b a", ["a", "b", "a b a"], ngrams=(3, 1)) == [4, 2, 3, 2]
    assert ids("a b a", ["a", "b", "a b", "b a"], ngrams=(2,)) == [4, 5]


def test_rows_are_padded_to_the_longest_or_to_a_length():
    texts = ["a", "a b a", ""]
    assert forward(texts, ["a", "b"]).tolist() == [[2, 0, 0], [2, 3, 2], [0, 0, 0]]
    assert forward(texts, ["a", "b"], output_sequence_length=2).tolist() == [[2, 0], [2, 3], [0, 0]]
    assert forward(texts, ["a", "b"], output_sequence_length=4).tolist() == [[2, 0, 0, 0], [2, 3, 2, 0], [0, 0, 0, 0]]


def test_ragged_rows_are_cut_but_not_padded():
    rows = forward(["a", "a b a", ""], ["a", "b"], ragged=True, output_sequence_length=2)
    assert [row.tolist() for row in rows] == [[2], [2, 3], []]
    assert {row.dtype for row in rows} == {np.dtype("int64")}


@pytest.mark.parametrize(
    ("texts", "shape"),
    [("a b", (2,)), (["a b", "a"], (2, 2)), ([["a b"], ["a"]], (2, 2)), ([], (0, 0)), (["", ""], (2, 0))],
)
def test_shapes(texts, shape):
    result = forward(texts, ["a", "b"])
    assert (result.shape, result.dtype) == (shape, np.int64)


def test_without_split_the_last_axis_is_the_row():
    vocabulary = ["a b", "c"]
    assert forward(np.array(["c", "a b", "x", ""]), vocabulary, split=None).tolist() == [3, 2, 1, 0]
    assert forward([["c", "a b"]], vocabulary, split=None).tolist() == [[3, 2]]
    assert forward([["c", "c", ""]], vocabulary, split=None, output_mode="count").tolist() == [[0, 0, 2]]
    assert forward(["c", "x"], vocabulary, split=None, output_mode="count").tolist() == [1, 0, 1]


def test_special_tokens_of_a_given_vocabulary_count_only_when_complete():
    options = {"standardize": None}
    assert ids("a z [UNK]", ["a"], **options) == [2, 1, 1]
    assert ids("a z [UNK]", ["", "[UNK]", "a"], **options) == [2, 1, 1]
    assert ids("a z [UNK]", ["[UNK]", "a"], **options) == [3, 1, 2]
    assert ids("a z", ["[UNK]", "a"], output_mode="count") == [1, 1]


def test_multi_hot_and_count():
    assert ids("b b z", ["a", "b"], output_mode="multi_hot") == [1, 0, 1]
    assert ids("b b z", ["a", "b"], output_mode="count") == [1, 0, 2]
    assert ids("b b z", ["a", "b"], output_mode="count", max_tokens=5, pad_to_max_tokens=True) == [1, 0, 2, 0, 0]
    assert forward(["a"], ["a"], output_mode="multi_hot").dtype == np.int64


def test_idf_counts_texts_and_gives_unknown_tokens_the_mean():
    texts = ["a a b", "a", "c"]
    vocabulary = adapt(texts, output_mode="tf_idf")
    assert vocabulary == ["[UNK]", "a", "c", "b"]
    weights = idf(texts, vocabulary)
    a, rare = np.log(1 + 3 / 3), np.log(1 + 3 / 2)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, [(a + 2 * rare) / 3, a, rare, rare], rtol=1e-6)


def test_tf_idf():
    options = {"output_mode": "tf_idf", "max_tokens": 5, "pad_to_max_tokens": True}
    result = forward(["b b z"], ["a", "b"], idf_weights=[1.0, 4.0], **options)
    assert (result.tolist(), result.dtype) == ([[2.5, 0, 8, 0, 0]], np.float32)
    result = forward(["b b z"], ["[UNK]", "a", "b"], idf_weights=[7.0, 1.0, 4.0], **options)
    assert result.tolist() == [[7, 0, 8, 0, 0]]


@pytest.mark.parametrize(
    ("vocabulary", "options"),
    [
        (["a", "a"], {}),
        (["a", ""], {}),
        (["", "a"], {}),
        (["", "[UNK]", "a"], {"output_mode": "count"}),
        ([], {}),
        ("ab", {}),
        (["a", "b"], {"max_tokens": 3}),
        (["a"], {"max_tokens": 1}),
        (["a"], {"output_mode": "one_hots"}),
        (["a"], {"standardize": "upper"}),
        (["a"], {"split": "words"}),
        (["a"], {"ngrams": [1, 2]}),
        (["a"], {"ngrams": (0,)}),
        (["a"], {"output_sequence_length": -1}),
        (["a"], {"output_mode": "count", "output_sequence_length": 3}),
        (["a"], {"output_mode": "count", "ragged": True}),
        (["a"], {"output_mode": "count", "pad_to_max_tokens": True}),
        (["a"], {"output_mode": "tf_idf"}),
        (["a"], {"output_mode": "tf_idf", "idf_weights": [1.0, 2.0]}),
        (["a"], {"output_mode": "count", "idf_weights": [1.0]}),
    ],
)
def test_refused_vocabularies_and_options(vocabulary, options):
    with pytest.raises(ValueError):
        forward(["a"], vocabulary, **options)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [([["a", "b"]], "shape"), ([["a"], ["b", "c"]], "strings"), ([1, 2], "strings"), ([None], "strings")],
)
def test_refused_texts(texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        forward(texts, ["a"])


def test_adapt_refuses_max_tokens_without_room():
    with pytest.raises(ValueError, match="leaves no room"):
        adapt(["a"], max_tokens=2)
    assert adapt(["a"], max_tokens=2, output_mode="count") == ["[UNK]", "a"]
