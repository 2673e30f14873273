"""Frames: what is written is read back, by others as well, and every frame that is wrong is refused with a sentence that says how."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.base.call import Answer, Question
from conformance.implementations import frames, messages
from conformance.implementations.frames import DTYPES, Frame, ProtocolError, decode, encode, frame_length, read_frame
from conformance.implementations.messages import Packer, answer_frame, answer_of, question_metadata, question_of, unpack

SHAPES = hnp.array_shapes(min_dims=0, min_side=0, max_side=4)
ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(lambda name: hnp.arrays(DTYPES[name], SHAPES))
TEXTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text("aé\"\\\n\0", max_size=5), max_size=4)
FRAMES = st.builds(Frame, TEXTS, st.dictionaries(st.text("ab/é0", min_size=1), ARRAYS, max_size=5))
ENTRY = {"dtype": "F64", "shape": [3, 5], "data_offsets": [0, 120]}


def same(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def document(header, data=b""):
    """A frame without its length, with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@given(FRAMES)
@settings(deadline=None, database=None, max_examples=100)
def test_what_is_written_is_read_back(frame):
    written = encode(frame)
    read = read_frame(io.BytesIO(written))
    assert read.metadata == dict(frame.metadata), "the metadata changed on the way"
    assert set(read.tensors) == set(frame.tensors), "a tensor was lost, or came out of nothing"
    assert all(same(read.tensors[name], array) for name, array in frame.tensors.items()), "an array changed on the way"
    turned = Frame(dict(reversed(frame.metadata.items())), dict(reversed(frame.tensors.items())))
    assert encode(turned) == written, "the bytes depend on the order in which the message was made"


def test_the_safetensors_library_reads_ours_and_we_read_its():
    safetensors = pytest.importorskip("safetensors", reason="the safetensors library is not installed")
    from safetensors.numpy import load, save

    rng = np.random.default_rng(0)
    tensors = {f"{name}/{n}": (rng.random((n, 3)) * 2).astype(dtype) for name, dtype in DTYPES.items() for n in range(3)}
    tensors["alone"] = np.array(2.5)
    ours = encode(Frame({"op": "forward", "words": "é\n\""}, tensors))[8:]
    theirs = load(ours)
    assert all(same(theirs[name], array) for name, array in tensors.items()), "the library reads other arrays than were written"
    assert dict(safetensors.deserialize(ours)).keys() == tensors.keys(), "the library sees other tensors"
    read = decode(save(tensors, {"op": "forward", "words": "é\n\""}))
    assert read.metadata == {"op": "forward", "words": "é\n\""}, "the library's metadata are read wrong"
    assert all(same(read.tensors[name], array) for name, array in tensors.items()), "the library's arrays are read wrong"


def test_every_array_begins_where_its_type_wants_it():
    written = encode(Frame({}, {"a": np.ones(3, bool), "b": np.ones(3), "c": np.ones(3, "f4")}))
    header = json.loads(written[16 : 16 + int.from_bytes(written[8:16], "little")])
    assert int.from_bytes(written[8:16], "little") % 8 == 0, "the data do not begin at a multiple of 8"
    assert [header[name]["data_offsets"][0] for name in "bca"] == [0, 24, 36], f"the wide types do not come first: {header}"


MALFORMED = {
    "no header length": (b"abc", "the frame has 3 bytes, too few for the length of its header"),
    "a header beyond the frame": (b"\x09" + bytes(7) + b"{}", "the header announces 9 bytes, the frame has only 2 left for it"),
    "a huge header": ((2**40).to_bytes(8, "little"), f"the header announces {2**40} bytes, at most {frames.HEADER_AT_MOST} are taken"),
    "no UTF-8": (document(b'{"\xff": 1}'), "the header is not UTF-8: invalid start byte at byte 2"),
    "no JSON": (document(b"{"), "the header is no JSON: "),
    "no object": (document([]), "the header is no JSON object"),
    "deep JSON": (document(b"[" * 100_000), "the header is nested too deeply"),
    "a name twice": (document(b'{"x": 1, "x": 2}'), "the header has the name 'x' twice"),
    "NaN": (document(b'{"x": NaN}'), "the header has the number NaN"),
    "a number that is too large": (document(b'{"x": 1e999}'), "the header has the number 1e999"),
    "metadata that are no texts": (document({"__metadata__": {"id": 1}}), "__metadata__: 'id' is 1, where a string is expected"),
    "a field too few": (document({"x": {"dtype": "F64", "shape": []}}), "tensor x: it needs dtype, shape and data_offsets"),
    "an unknown dtype": (document({"x": {**ENTRY, "dtype": "BF16"}}), "tensor x: the dtype 'BF16' is none of BOOL, "),
    "a negative axis": (document({"x": {**ENTRY, "shape": [-1]}}), "tensor x: its shape [-1] is not a list of whole numbers"),
    "an axis that is true": (document({"x": {**ENTRY, "shape": [True]}}), "tensor x: its shape [True] is not a list of whole numbers"),
    "17 axes": (document({"x": {**ENTRY, "shape": [1] * 17}}), "tensor x: it has 17 axes, at most 16 are taken"),
    "offsets that go back": (document({"x": {**ENTRY, "data_offsets": [8, 0]}}), "tensor x: its data_offsets are not two whole numbers"),
    "offsets that do not fit": (
        document({"output/0": {**ENTRY, "data_offsets": [0, 96]}}, bytes(96)),
        "tensor output/0: offsets 0 to 96 for shape (3, 5) of F64, which take 120",
    ),
    "a product beyond 64 bits": (document({"x": {**ENTRY, "shape": [2**33, 2**33], "data_offsets": [0, 0]}}), f"which take {2**69}"),
    "a product that Python does not write": (
        document({"x": {**ENTRY, "shape": [10**4000] * 16, "data_offsets": [0, 8]}}, bytes(8)),
        "tensor x: its shape [1000",
    ),
    "no values along absurd axes": (
        document({"x": {**ENTRY, "shape": [0, 2**70], "data_offsets": [0, 0]}}),
        "tensor x: no array has the shape",
    ),
    "data that are not there": (document({"x": ENTRY}, bytes(50)), "tensor x: it ends at 120, but there are only 50 bytes of data"),
    "a gap": (
        document({"x": ENTRY, "y": {"dtype": "U8", "shape": [], "data_offsets": [124, 125]}}, bytes(125)),
        "tensor y: it begins at 124, but tensor x ends at 120",
    ),
    "an overlap": (
        document({"x": ENTRY, "y": {"dtype": "U8", "shape": [], "data_offsets": [119, 120]}}, bytes(120)),
        "tensor y: it begins at 119, but tensor x ends at 120",
    ),
    "a late beginning": (
        document({"x": {**ENTRY, "data_offsets": [8, 128]}}, bytes(128)),
        "tensor x: it begins at 8, but the first one must begin at 0",
    ),
    "bytes at the end": (document({"x": ENTRY}, bytes(121)), "the tensors take 120 of 121 bytes of data"),
    "a BOOL of 7": (document({"x": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\7"), "tensor x: a BOOL is neither 0 nor 1"),
    "too many tensors": (
        document({str(n): {**ENTRY, "shape": [0], "data_offsets": [0, 0]} for n in range(1025)}),
        "the frame holds 1025 tensors, at most 1024 are taken",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_frame_is_refused_with_a_sentence(kind):
    wrong, sentence = MALFORMED[kind]
    with pytest.raises(ProtocolError) as raised:
        decode(wrong)
    assert sentence in str(raised.value), f"{kind}: the sentence is {raised.value}"


def test_a_name_that_comes_twice_among_very_many_is_found_at_once():
    names = "".join(f'"{n}": 0, ' for n in range(250_000))
    with pytest.raises(ProtocolError, match="value has the name '249999' twice"):
        frames.read_json(f'{{{names} "249999": 1}}', "value")


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read():
    with pytest.raises(ProtocolError) as raised:
        frame_length((5 * 2**30).to_bytes(8, "little"))
    assert str(raised.value) == "the frame announces 5368709120 bytes, at most 1073741824 are taken", f"the sentence is {raised.value}"
    with pytest.raises(ProtocolError, match="'Hello, w': is it printed"):
        frame_length(b"Hello, w")


@pytest.mark.parametrize("end", [3, 20])
def test_input_that_ends_within_a_frame_is_no_frame(end):
    with pytest.raises(ProtocolError, match="the input ends within a frame"):
        read_frame(io.BytesIO(encode(Frame({"op": "describe"}))[:end]))


@pytest.mark.parametrize("wrong", [np.ones(2, complex), np.ones(2, ">f8"), np.array([None]), np.ones((1,) * 17)])
def test_what_no_frame_can_hold_is_not_written(wrong):
    with pytest.raises(ProtocolError, match=r"tensor x: an array of .* cannot be sent"):
        encode(Frame({}, {"x": wrong}))


def test_a_frame_that_is_too_large_is_not_written():
    with pytest.raises(ProtocolError, match="the frame would take 872 bytes, at most 800 are taken"):
        encode(Frame({}, {"x": np.ones(100)}), at_most=800)


# Messages

x, kernel, bias = np.ones((2, 3), np.float32), np.ones((3, 4)), np.ones(4)
NAMES = {
    "a weight that is left out": (Question("dense_forward", (x, None, bias)), {"input", "weight/1"}),
    "several inputs": (Question("add_forward", ([x, x],), {"mask": [bias > 0, None]}), {"input/0", "input/1", "mask/0"}),
    "nested weights": (
        Question("bidirectional_forward", (x, (kernel, bias), (kernel, None))),
        {"input", "weight/0/0", "weight/0/1", "weight/1/0"},
    ),
    "states": (
        Question("lstm_forward", (x, kernel), {"initial_state": (x, x)}),
        {"input", "weight/0", "initial_state/0", "initial_state/1"},
    ),
    "backward": (Question("dense_backward", (x, x, kernel)), {"grad_output", "input", "weight/0"}),
    "texts": (Question("text_vectorization_adapt", (["a", "é"],), {"max_tokens": None, "ngrams": (2, 3)}), set()),
    "numbers": (Question("relu", (x,), {"b": float("inf"), "a": 0.1, "n": 2**60, "rate": np.float32(0.3)}), {"input", "rate"}),
    "texts in an array": (Question("f", (np.array(["a", "bc"]), np.array(["a", None], object)), {}), set()),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_question_arrives_as_it_was_asked_under_names_that_need_no_structure(kind):
    question, names = NAMES[kind]
    packer = Packer(exact=True)
    got = question_of(decode(encode(Frame(question_metadata(question, packer), packer.tensors))[8:]))
    assert set(packer.tensors) == names, f"{kind}: the tensors are called {sorted(packer.tensors)}"
    assert repr(got) == repr(question), f"{kind}: what arrives is {got}"
    assert list(got.keywords) == list(question.keywords), "the keyword arguments come in another order"


@pytest.mark.parametrize("value", [object(), np.ones(2, complex), {1, 2}, 2**100, np.array([object()])])
def test_a_question_that_cannot_arrive_whole_is_not_asked(value):
    with pytest.raises(ProtocolError, match=r"rate: a.* cannot be sent"):
        question_metadata(Question("dropout_forward", (x,), {"rate": value}), Packer(exact=True))


LONGEST = {"array": {"dtype": "<U", "shape": [90_000], "values": ["x" * 10**6, *["x"] * 89_999]}}
"""360 GB, if NumPy chose the size of an item."""
REPLIES = {
    "no status": ({}, "the metadata have no status"),
    "another status": ({"status": "ok"}, "the reply has the status 'ok', which is none of passed, unsupported, error"),
    "nothing returned": ({"status": "passed"}, "the reply has the tensors (none), where output is expected"),
    "a value that is no JSON": ({"status": "passed", "value": "{"}, "value is no JSON"),
    "a tensor that is not there": ({"status": "passed", "value": '{"tensor": "y"}'}, "there is no tensor y"),
    "a kind that is not known": ({"status": "passed", "value": '{"pickle": "gASV"}'}, "the kind 'pickle' is none that the protocol has"),
    "two kinds": ({"status": "passed", "value": '{"tensor": "y", "float": "nan"}'}, "a value has the names float, tensor"),
    "NaN as JSON": ({"status": "passed", "value": "NaN"}, "value has the number NaN"),
    "depth": ({"status": "passed", "value": "[" * 40 + "]" * 40}, "a value is nested more than 32 levels deep"),
    "a dtype that runs": ({"status": "passed", "value": '{"array": {"dtype": "f8,(2,)f8", "shape": []}}'}, "no array has the dtype"),
    "a huge item": ({"status": "passed", "value": '{"array": {"dtype": "V99999", "shape": []}}'}, "an item takes 99999 bytes"),
    "texts whose longest decides": ({"status": "passed", "value": json.dumps(LONGEST)}, "an item takes no bytes"),
    "items without bytes": ({"status": "passed", "value": '{"array": {"dtype": "V0", "shape": [1000000000]}}'}, "an item takes no bytes"),
    "a shape beyond memory": ({"status": "passed", "value": '{"array": {"dtype": "O", "shape": [1e9]}}'}, "no array has the dtype"),
    "changed that is no list": ({"status": "passed", "value": "1", "changed": "3"}, "changed is not a list of names"),
    "refused that is no list": ({"status": "error", "refused": '{"activation": 1}'}, "refused is not a list of names"),
}


@pytest.mark.parametrize("kind", REPLIES)
def test_a_reply_that_is_wrong_is_refused_with_a_sentence(kind):
    metadata, sentence = REPLIES[kind]
    with pytest.raises(ProtocolError) as raised:
        answer_of(Frame(metadata))
    assert sentence in str(raised.value), f"{kind}: the sentence is {raised.value}"


def test_outputs_need_no_structure():
    one, two = np.ones(2), np.zeros(3)
    assert answer_of(Frame({"status": "passed"}, {"output": one})).value is one, "one output is not the array"
    several = answer_of(Frame({"status": "passed"}, {"output/1": two, "output/0": one})).value
    assert several[0] is one and several[1] is two, "several outputs are not a tuple in their order"
    with pytest.raises(ProtocolError, match="the tensors output, y, where output is expected"):
        answer_of(Frame({"status": "passed"}, {"output": one, "y": two}))


def test_an_array_that_only_is_described_takes_no_memory():
    huge = unpack({"array": {"dtype": "O", "shape": [10**6, 10**6]}}, {})
    assert huge.shape == (10**6, 10**6) and huge.base is not None, "an array of 8 TB was made"


def test_text_that_is_half_a_character_does_not_stop_a_reply():
    answer = answer_of(decode(encode(answer_frame("1", Answer("error", message="\ud800 and more")))[8:]))
    assert answer.message == "? and more", f"the message became {answer.message!r}"


# The page


def test_the_request_that_the_page_shows_is_the_one_that_is_written():
    page = (Path(frames.__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    shown = bytes.fromhex("".join(line[6:53] for line in page.splitlines() if re.match("[0-9a-f]{4}  ", line)))
    arrays = np.array([[1, 2]], np.float32), np.array([[3], [-1]], np.float32)
    packer = Packer(exact=True)
    metadata = question_metadata(Question("dense_forward", arrays, {"activation": "relu"}), packer)
    assert encode(Frame({**metadata, "id": "2"}, packer.tensors)) == shown, "the page shows other bytes than the suite writes"


def test_the_limits_that_the_page_names_are_those_that_hold():
    page = (Path(frames.__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    rows = "bytes of a frame|bytes of a header|tensors of a frame|axes of a tensor|depth of `value`"
    limits = dict(re.findall(rf"^\| ({rows}) \| (.*) \|$", page, re.MULTILINE))
    told = [int(re.sub(r"[^\d^]", "", text.split("(")[-1]).replace("2^", "") or 0) for text in limits.values()]
    assert told == [30, 22, frames.TENSORS_AT_MOST, frames.RANK_AT_MOST, messages.DEPTH_AT_MOST], f"the page names {limits}"
    assert (frames.FRAME_AT_MOST, frames.HEADER_AT_MOST) == (2**30, 2**22), "the limits of bytes are others than the page names"
