"""Sub-words: which terms a word has, which become ids, and in which slots they stand."""

import numpy as np

from conformance.studies.data.subwords import Subwords, make_vocabulary, subword_ids

SUBWORDS = Subwords(shortest=3, longest=4, slots=4)


def test_a_word_is_itself_and_its_stretches():
    assert SUBWORDS.terms("baca") == ["<baca>", "<ba", "bac", "aca", "ca>", "<bac", "baca", "aca>"], "the shortest n-grams first"
    assert SUBWORDS.terms("di") == ["<di>", "<di", "di>"], "no n-gram is the whole word again"
    assert SUBWORDS.terms("a") == ["<a>"], "a word of one letter has no n-gram"


def test_a_vocabulary_has_every_word_and_the_frequent_n_grams():
    found = make_vocabulary(["Baca, baca!", "bata"], SUBWORDS)
    assert found[:3] == ["", "[UNK]", "<ba"], "padding, unknown, then the most frequent: <ba is in three words"
    assert {"<baca>", "<bata>"} <= set(found), "every word is a term, however rare"
    assert "bac" in found, "an n-gram of two words is a term"
    assert "bat" not in found, "one of a single word is not"
    assert len(found) == len(set(found)), "no term twice"


def test_ids_stand_in_slots_and_what_is_missing_is_zero():
    vocabulary = ["", "[UNK]", "<baca>", "<ba", "ca>", "bac", "aca"]
    ids = subword_ids(["baca BABA", ""], vocabulary, SUBWORDS, 3)
    assert ids.shape == (2, 3, 4), "texts, words, slots"
    assert ids.dtype == np.int64, "ids are int64"
    assert ids[0, 0].tolist() == [2, 3, 5, 6], "the word first, its n-grams in their order, what is too much left out"
    assert ids[0, 1].tolist() == [1, 3, 0, 0], "an unknown word keeps the n-grams that are known"
    assert not ids[0, 2].any(), "a shorter text ends in zeros"
    assert not ids[1].any(), "an empty text is zeros"
    assert subword_ids(["a b c d"], vocabulary, SUBWORDS, 3).shape == (1, 3, 4), "a longer text is cut"
