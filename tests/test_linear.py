"""A linear model as plain arrays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shardopt.models.linear import LinearArrays, LinearModel


def dense(arrays: LinearArrays) -> list[list[float]]:
    """Return the rows as a full matrix."""
    rows = np.zeros((len(arrays.row_lower), len(arrays.cost)))
    for r in range(len(rows)):
        entries = slice(arrays.row_start[r], arrays.row_start[r + 1])
        rows[r, arrays.column[entries]] = arrays.coefficient[entries]
    return rows.tolist()


def test_that_columns_are_numbered_in_the_order_they_are_added():
    model = LinearModel()
    assert model.add_columns(2, cost=[1, 2], upper=5).tolist() == [0, 1]
    assert model.add_binaries(1, cost=3).tolist() == [2]
    arrays = model.arrays()
    assert arrays.cost.tolist() == [1, 2, 3]
    assert arrays.lower.tolist() == [0, 0, 0]
    assert arrays.upper.tolist() == [5, 5, 1]
    assert arrays.integer.tolist() == [False, False, True]


def test_that_rows_keep_their_bounds():
    model = LinearModel()
    x, y = model.add_columns(2)
    model.add_row([x, y], [1, -1], lower=0)
    model.add_row([x, y], upper=4)
    arrays = model.arrays()
    assert arrays.row_lower.tolist() == [0, -np.inf]
    assert arrays.row_upper.tolist() == [np.inf, 4]
    assert dense(arrays) == [[1, -1], [1, 1]]


def test_that_entries_of_one_column_are_added_up():
    model = LinearModel()
    x, y = model.add_columns(2)
    model.add_row([y, x, y], [1, 2, 3])
    assert dense(model.arrays()) == [[2, 4]]


def test_that_entries_that_cancel_are_dropped():
    model = LinearModel()
    x, y = model.add_columns(2)
    model.add_row([x, y, x], [1, 2, -1])
    assert model.arrays().column.tolist() == [y]


def test_that_a_model_without_columns_and_rows_is_whole():
    arrays = LinearModel().arrays()
    assert arrays.row_start.tolist() == [0]
    assert [len(part) for part in vars(arrays).values()] == [0, 0, 0, 0, 0, 0, 1, 0, 0]


entries = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), max_size=8)


@given(st.lists(entries, max_size=5))
def test_that_the_rows_say_what_was_added(rows):
    model = LinearModel()
    model.add_columns(5)
    for row in rows:
        model.add_row([column for column, _ in row], [float(value) for _, value in row])
    expected = [
        [float(sum(v for c, v in row if c == column)) for column in range(5)] for row in rows
    ]
    arrays = model.arrays()
    assert dense(arrays) == expected
    assert (arrays.coefficient != 0).all()
    for r in range(len(rows)):
        assert (np.diff(arrays.column[arrays.row_start[r] : arrays.row_start[r + 1]]) > 0).all()
