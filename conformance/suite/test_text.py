"""TextVectorization: vocabulary, idf weights, ids and counts."""

from conformance.checks import text


def test_text(question, conform):
    text.check(conform, *question)
