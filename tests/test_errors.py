"""The closed list of refusals."""

import pytest

from thermly import errors
from thermly.errors import GatewayError, kinds

each_kind = pytest.mark.parametrize("kind", kinds().values(), ids=kinds().keys())


@each_kind
def test_a_kind_says_its_status_and_its_code(kind: type[GatewayError]):
    error = kind("What went wrong")
    assert 400 <= error.status < 600
    assert error.code or kind is errors.InvalidRequest  # the dialect then says the kind
    assert str(error) == error.message == "What went wrong"


@each_kind
def test_a_refusal_carries_what_it_is_given(kind: type[GatewayError]):
    error = kind("x", param="p", code="c", retry_after_s=3, detail="d")
    assert (error.param, error.code, error.retry_after_s, error.detail, error.headers) == ("p", "c", 3, "d", [])


def test_every_class_is_a_kind_of_its_own_and_is_in_the_tree_that_is_drawn():
    classes = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, GatewayError)}
    assert classes - {GatewayError} == set(kinds().values())
    drawn = errors.__doc__ or ""
    assert all(c.__name__ in drawn for c in classes)
    assert all(str(c.status) in drawn for c in classes)
