"""Does walking a pickle tell what it would build, run nothing, and survive every kind of damage?"""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import struct

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from migrations.byte_source import ByteSource, TooLargeError
from migrations.pickle_symbols import DamagedPickleError, DictSymbol, Global, Instance, ListSymbol, TooComplexError
from migrations.pickle_walk import walk_pickle

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=100),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def walk(data):
    return walk_pickle(ByteSource(io.BytesIO(data)))


@given(plain, st.integers(0, 5))
def test_every_plain_value_is_walked_to_its_end(value, protocol):
    stream = io.BytesIO(pickle.dumps(value, protocol))
    walked = walk_pickle(ByteSource(stream))
    assert stream.read() == b""
    if isinstance(value, dict):
        assert isinstance(walked.top, DictSymbol)
        assert walked.top.size == len(value)
    elif isinstance(value, list | tuple):
        assert isinstance(walked.top, ListSymbol)
        assert walked.top.size == len(value)
    elif isinstance(value, int) and abs(value) < 2**40:
        assert walked.top == value


@given(plain, st.integers(0, 5), st.data())
def test_no_beginning_of_a_pickle_passes_for_a_whole_one(value, protocol, data):
    whole = pickle.dumps(value, protocol)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DamagedPickleError):
        walk(whole[:cut])


@settings(max_examples=400)
@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_the_promised_errors(data):
    with contextlib.suppress(DamagedPickleError, TooComplexError, TooLargeError):
        walk(data)


@settings(max_examples=300)
@given(st.integers(0, 1500), st.integers(0, 255))
def test_one_wrong_byte_raises_nothing_but_the_promised_errors(forest_bytes, position, value):
    changed = bytearray(forest_bytes)
    changed[position % len(changed)] = value
    with contextlib.suppress(DamagedPickleError, TooComplexError, TooLargeError):
        walk(bytes(changed))


@pytest.fixture(scope="session")
def forest_bytes():
    held = io.BytesIO()
    features = np.random.default_rng(1).normal(size=(30, 2))
    joblib.dump(RandomForestClassifier(3, random_state=1).fit(features, features[:, 0] > 0), held)
    return held.getvalue()


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("protocol", range(6))
def test_what_a_pickle_would_call_is_listed_and_not_called(tmp_path, protocol):
    target = str(tmp_path / "made by the pickle")
    walked = walk(pickle.dumps({"model": Runs(target)}, protocol))
    assert ("posix", "mkdir") in walked.globals
    assert not (tmp_path / "made by the pickle").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("value", "of"),
    [
        (RandomForestClassifier(), ("sklearn.ensemble._forest", "RandomForestClassifier")),
        (collections.Counter("abc"), ("collections", "Counter")),
        (np.arange(3), None),
    ],
)
def test_the_class_of_the_top_object_is_told_in_every_protocol(value, of, protocol):
    top = walk(pickle.dumps(value, protocol)).top
    assert isinstance(top, Instance)
    assert isinstance(top.of, Global)
    if of:
        assert (top.of.module, top.of.name) == of


def test_the_library_version_inside_the_stream_is_found(forest_bytes):
    import sklearn  # noqa: PLC0415 - only its version

    assert walk(forest_bytes).sklearn_version == sklearn.__version__


@pytest.mark.parametrize(
    "array",
    [
        np.arange(7),
        np.zeros((2, 3), order="F"),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([{"x": 1}, None], dtype=object),
        np.zeros(3, dtype=[("left", "i8"), ("value", "f4")]),
        np.array(["2025-01-01"], dtype="M8[D]"),
        np.zeros(0),
    ],
    ids=str,
)
def test_arrays_that_joblib_puts_into_the_stream_are_stepped_over(array):
    held = io.BytesIO()
    joblib.dump({"before": array, "after": "here"}, held)
    held.seek(0)
    walked = walk_pickle(ByteSource(held))
    assert held.read() == b""
    assert walked.top.items["after"] == "here"
    assert walked.arrays == 1


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**63 - 1) + b"x.",
        b"\x80\x04B" + struct.pack("<I", 2**32 - 1) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N.",
        b"L" + b"9" * 3_000_000 + b"L\n.",
    ],
    ids=["bytes8", "unicode8", "bytes4", "long4", "frame", "text long"],
)
def test_false_lengths_cost_neither_memory_nor_time(bomb):
    with pytest.raises((DamagedPickleError, TooLargeError)):
        walk(bomb)


def test_deep_nesting_is_walked_without_recursion():
    depth = 200_000
    assert isinstance(walk(b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b".").top, ListSymbol)


def test_memo_doubling_stays_small():
    """Each level holds the level below twice: 2^60 items if anybody built them."""
    level = b"".join(b"]\x94h" + bytes([n]) + b"ah" + bytes([n]) + b"a0" for n in range(60))
    assert walk(b"\x80\x04]\x940" + level + b"h\x3c.").top.size == 2


@pytest.mark.parametrize(
    "stream",
    [b"N" * 3_000_000, b"N\x940" * 3_000_000, b"]" * 3_000_000, b"".join(b"cm\nn%d\n0" % n for n in range(5000))],
    ids=["stack", "memo", "lists", "names"],
)
def test_what_would_fill_the_memory_is_given_up(stream):
    with pytest.raises(TooComplexError):
        walk(b"\x80\x04" + stream + b"N.")


def test_an_object_with_endless_attributes_keeps_the_first_ones():
    attributes = b"".join(b"X\x05\x00\x00\x00%05dK\x01s" % n for n in range(20_000))
    top = walk(b"\x80\x04csklearn.svm\nSVC\n)\x81" + attributes + b".").top
    assert len(top.state) == 512


def test_a_stack_that_is_used_up_is_damage_not_a_crash():
    for stream in (b".", b"\x80\x040.", b"\x80\x04R.", b"\x80\x04t.", b"\x80\x04h\x05.", b"\x80\x09N."):
        with pytest.raises(DamagedPickleError):
            walk(stream)
