"""Options given as text or as values reach the parameters of a plain function."""

from typing import Literal

import pytest

from shardopt.models.errors import InputError
from shardopt.options import accepted, option_types, parse_options


def function(
    instance: str,
    *,
    count: int = 1,
    share: float = 0.5,
    quick: bool = False,
    mode: Literal["table", "figure"] = "table",
    limit: float | None = None,
    seed: int = 0,
) -> None:
    """Have one parameter of each kind."""


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "3", 3),
        ("count", 3, 3),
        ("share", "0.25", 0.25),
        ("quick", "true", True),
        ("quick", "False", False),
        ("mode", "figure", "figure"),
        ("limit", "7", 7.0),
        ("limit", None, None),
    ],
)
def test_that_text_becomes_the_type_of_the_parameter(name, text, value):
    parsed = parse_options("function", function, {name: text})
    assert parsed == {name: value}
    assert type(parsed[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("count", "1.5", "an integer"),
        ("count", "many", "an integer"),
        ("share", "half", "a number"),
        ("quick", "yes", "true or false"),
        ("mode", "plot", "one of table, figure"),
    ],
)
def test_that_a_value_of_the_wrong_kind_is_refused_by_name(name, text, expected):
    with pytest.raises(InputError, match=name) as caught:
        parse_options("function", function, {name: text})
    assert expected in caught.value.expected
    assert text in caught.value.found


def test_that_an_unknown_option_gets_the_nearest_name():
    with pytest.raises(InputError, match="did you mean count"):
        parse_options("function", function, {"cuont": "3"})


def test_that_a_dash_stands_for_an_underscore():
    def with_underscore(*, block_count: int = 1) -> None:
        """Have a name of two words."""

    assert parse_options("f", with_underscore, {"block-count": "2"}) == {"block_count": 2}


def test_that_hidden_parameters_are_no_options():
    hidden = frozenset({"seed"})
    assert "seed" not in option_types(function, hidden)
    with pytest.raises(InputError):
        parse_options("function", function, {"seed": "1"}, hidden)


def test_that_positional_parameters_are_no_options():
    assert "instance" not in option_types(function, frozenset())


def test_that_only_values_with_a_parameter_are_passed_on():
    assert accepted(function, {"seed": 1, "threads": 2}) == {"seed": 1}
