import pytest

from ictal.errors import MAX_SHOWN, FoldError, IctalError, TableError, UnknownNameError, listed, raise_problems


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([1], "1"),
        (range(3), "0, 1, 2"),
        (range(4), "0, 1, 2, ..."),
        (iter("abcdef"), "a, b, c, ..."),
    ],
)
def test_listed_ends_in_dots_only_where_something_is_left_out(values, text):
    assert listed(values, 3) == text


def test_no_problems_raise_nothing_and_each_problem_has_its_line():
    raise_problems("a.csv", [])
    with pytest.raises(TableError) as caught:
        raise_problems("a.csv", ["line 2: x"])
    assert str(caught.value) == "a.csv: 1 problem\n  - line 2: x"
    with pytest.raises(FoldError, match=r"^b\.csv: 2 problems\n  - one\n  - two$"):
        raise_problems("b.csv", ["one", "two"], FoldError)


@pytest.mark.parametrize("more", [0, 1, 5])
def test_a_long_list_of_problems_is_cut_and_counted(more):
    with pytest.raises(TableError) as caught:
        raise_problems("a.csv", [f"problem {number}" for number in range(MAX_SHOWN + more)])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"a.csv: {MAX_SHOWN + more} problems"
    assert lines[1 : MAX_SHOWN + 1] == [f"  - problem {number}" for number in range(MAX_SHOWN)]
    assert lines[MAX_SHOWN + 1 :] == ([f"  ... and {more} more"] if more else [])


def test_an_unknown_name_lists_the_known_ones():
    error = UnknownNameError("arm", "spatail", ["spatial", "temporal"])
    assert isinstance(error, IctalError)
    assert str(error) == "unknown arm 'spatail'; known are: spatial, temporal"
