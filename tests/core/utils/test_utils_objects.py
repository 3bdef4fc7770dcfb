from __future__ import annotations

import itertools
from typing import Any

import pytest

from kombu.utils.objects import cached_property

numbers = itertools.count(1)


class Account:
    """Counts its computations."""

    deleted: list[Any]

    def __init__(self) -> None:
        self.deleted = []

    @cached_property
    def plain(self) -> int:
        """A number."""
        return next(numbers)

    @cached_property
    def full(self) -> int:
        return next(numbers)

    @full.setter
    def full(self, value: int) -> int:
        return value * 2

    @full.deleter
    def full(self, value: int) -> None:
        self.deleted.append(value)


def test_the_value_is_computed_once_and_kept_under_its_name() -> None:
    account = Account()
    assert "plain" not in account.__dict__
    value = account.plain
    assert account.plain == value == account.__dict__["plain"]
    account.__dict__.pop("plain")
    assert account.plain != value
    assert Account().plain != account.plain


def test_the_class_shows_the_property_itself() -> None:
    assert isinstance(Account.plain, cached_property)
    assert Account.plain.__doc__ == "A number."
    assert Account.plain.__set__(None, 1) is Account.plain
    assert Account.plain.__delete__(None) is Account.plain


def test_it_can_be_set_and_deleted() -> None:
    account = Account()
    account.plain = 50
    assert account.__dict__["plain"] == 50
    del account.plain
    assert "plain" not in account.__dict__
    del account.plain


def test_the_setter_says_what_is_kept_and_the_deleter_is_told() -> None:
    account = Account()
    account.full = 5
    assert account.full == account.__dict__["full"] == 10
    del account.full
    del account.full
    assert account.deleted == [10]
    assert account.full > 0


def test_none_and_false_are_kept_too() -> None:
    calls: list[int] = []

    class Empty:
        @cached_property
        def value(self) -> None:
            calls.append(1)

    empty = Empty()
    assert empty.value is None
    assert empty.value is None
    assert calls == [1]


def test_it_needs_a_place_for_the_value() -> None:
    class Slotted:
        __slots__ = ()
        value = cached_property(lambda self: 1)

    with pytest.raises(TypeError, match=r"'value' needs a __dict__.*Slotted"):
        Slotted().value


def test_without_a_function_it_must_be_set_first() -> None:
    class Late:
        value: Any = cached_property(fset=lambda self, value: value)

    late = Late()
    with pytest.raises(AttributeError, match=r"Late\.value was never set"):
        late.value
    late.value = 3
    assert late.value == 3


def test_one_function_may_serve_two_names() -> None:
    def shared(self: Any) -> int:
        return next(numbers)

    class Two:
        a = cached_property(shared)
        b = cached_property(shared)

    two = Two()
    assert two.a != two.b
    assert set(two.__dict__) == {"a", "b"}


def test_an_error_of_the_function_is_reported_alone() -> None:
    class Failing:
        @cached_property
        def value(self) -> int:
            raise ValueError("inner")

    with pytest.raises(ValueError) as caught:
        Failing().value
    assert caught.value.__context__ is None
