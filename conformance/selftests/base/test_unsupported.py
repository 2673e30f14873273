"""What is not supported stands in one row for a layer, and in one for each other function for what that lacks beyond."""

from __future__ import annotations

from conformance.base.call import REFUSED, REFUSES
from conformance.base.record import UNSUPPORTED, Record
from conformance.base.unsupported import unsupported_rows
from conformance.base.words import a


def refused(function: str, said: str, kind: str = "forward") -> Record:
    return Record(f"{function}-{said}", "LSTM", kind, UNSUPPORTED, message=f"{function}{said}")


def test_what_the_backward_pass_alone_lacks_has_a_row_with_its_name() -> None:
    forward = refused("lstm_forward", f" {REFUSED}mask")
    backward = [refused("lstm_backward", f" {REFUSED}{name}", "backward") for name in ("mask", "return_state")]
    rows = unsupported_rows("LSTM", [forward, *backward])
    assert rows == [("LSTM", "mask", ""), ("lstm_backward", "return_state", "")], f"{rows}"
    assert unsupported_rows("LSTM", backward) == [("lstm_backward", "mask and return_state", "")], "the layer itself lacks nothing"


def test_values_that_the_backward_pass_alone_refuses_stand_there_as_well() -> None:
    records = [refused("lstm_forward", f"{REFUSES}activation='elu'")]
    records += [refused("lstm_backward", f"{REFUSES}activation='{name}'", "backward") for name in ("elu", "relu")]
    rows = unsupported_rows("LSTM", records)
    assert rows == [("LSTM", "", "activation: elu"), ("lstm_backward", "", "activation: relu")], f"{rows}"


def test_nouns_have_their_article() -> None:
    said = [a(noun) for noun in ("tuple", "array", "int", "ndarray", "NoneType", "uint8", "EagerTensor", "object")]
    assert said == ["a tuple", "an array", "an int", "an ndarray", "a NoneType", "a uint8", "an EagerTensor", "an object"], f"{said}"
