"""The grammar of things as text: what is read was written, and mistakes name their place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.naming.text import Call, parse, written

WORDS = st.text(min_size=1, max_size=12).filter(lambda text: "\x00" not in text)
SETTINGS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS


def calls(values):
    return st.builds(Call, WORDS, st.dictionaries(SETTINGS, values, max_size=3))


VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        # A name without settings reads as a word, which means the same to whoever looks it up.
        | calls(inner).filter(lambda call: call.settings)
    ),
    max_leaves=6,
)


@given(calls(VALUES))
def test_what_is_read_is_what_was_written(call):
    assert parse(written(call)) == call
    assert written(parse(written(call))) == written(call)


@pytest.mark.parametrize("word", ["true", "none", "10", "1e3", "-.5", "inf", "nan", "a b", "", "'"])
def test_a_word_that_reads_as_something_else_is_quoted(word):
    assert parse(written(Call("a", {"x": word}))).settings["x"] == word


@given(st.floats(allow_nan=False) | st.integers())
def test_equal_numbers_have_equal_text(number):
    """-0.0 too, which equals 0."""
    text = written(number)
    assert parse(f"a(x={text})").settings["x"] == number
    if math.isfinite(number) and number == int(number) and abs(number) < 2**53:
        assert text == written(float(number)) == written(int(number))


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("bp", Call("bp")),
        ("bp()", Call("bp")),
        (" stdp ( timing = all-pairs ) ", Call("stdp", {"timing": "all-pairs"})),
        ("a(b-c=1,)", Call("a", {"b_c": 1})),
        ("a(x=true, y=none, z='true')", Call("a", {"x": True, "y": None, "z": "true"})),
        ("a(x=[1, b(y=.5), []])", Call("a", {"x": (1, Call("b", {"y": 0.5}), ())})),
        ("a(x=-1e-3, y=inf, z=4x4)", Call("a", {"x": -0.001, "y": math.inf, "z": "4x4"})),
        ("./m y.py:o", None),
        ("'./m y.py:o'(lr=1)", Call("./m y.py:o", {"lr": 1})),
        ("/lab/mine.py:oja(lr=1)", Call("/lab/mine.py:oja", {"lr": 1})),
    ],
)
def test_what_is_read(text, call):
    if call is None:
        with pytest.raises(ValueError, match="character 5 is 'y'"):
            parse(text)
    else:
        assert parse(text) == call


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "character 1 is the end, and a name is expected"),
        ("a(1)", r"character 4 is '\)', and = after the setting 1 is expected"),
        ("a(x=)", r"character 5 is '\)', and a value is expected"),
        ("a(x=1", r"character 6 is the end, and , or \) is expected"),
        ("a(x=1) b", "character 8 is 'b', and the end is expected"),
        ("a(x=[1", "character 7 is the end"),
        ("a(x='b)", 'character 5 is "\'", and a quote that is closed is expected'),
        ("a(x=1, x=2)", "gives x twice, again at character 8: keep one"),
    ],
)
def test_a_mistake_names_its_place(text, place):
    with pytest.raises(ValueError, match=place):
        parse(text)
