"""Named tuples of `shapes` are compared with those of `typing`, side by side."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import TYPE_CHECKING, Any, cast

import pytest

from jenkins_notary import shapes

if TYPE_CHECKING:
    from collections.abc import Callable


class Ours(shapes.NamedTuple):
    """A point."""

    x: int
    y: int = 2
    z: str = "up"

    @property
    def total(self) -> int:
        """Return a sum."""
        return self.x + self.y

    def moved(self) -> Ours:
        """Return one that was moved."""
        return self._replace(x=self.x + 1)


class Theirs(typing.NamedTuple):
    """A point."""

    x: int
    y: int = 2
    z: str = "up"

    @property
    def total(self) -> int:
        """Return a sum."""
        return self.x + self.y

    def moved(self) -> Theirs:
        """Return one that was moved."""
        return self._replace(x=self.x + 1)


class Empty(shapes.NamedTuple):
    """No fields."""


class TheirEmpty(typing.NamedTuple):
    """No fields."""


class Hiding(shapes.NamedTuple):
    """A field that hides a method of tuples."""

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    count: int = 0  # type: ignore[assignment]  # It hides tuple.count.


class Speaks(shapes.Protocol):
    """Something that speaks."""

    def word(self) -> str:
        """Return a word."""


class Dog:
    def word(self) -> str:
        return "wuff"


# Through Any: these tests make calls that a type checker would refuse.
OURS, THEIRS = cast("Any", Ours), cast("Any", Theirs)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda kind: tuple(kind(1)), id="defaults"),
        pytest.param(lambda kind: tuple(kind(1, 3)), id="some-by-place"),
        pytest.param(lambda kind: tuple(kind(1, 3, "down")), id="all-by-place"),
        pytest.param(lambda kind: tuple(kind(x=1)), id="by-name"),
        pytest.param(lambda kind: tuple(kind(z="a", y=5, x=1)), id="any-order"),
        pytest.param(lambda kind: tuple(kind(1, z="a")), id="mixed"),
        pytest.param(lambda kind: kind(1).y, id="field"),
        pytest.param(lambda kind: kind(1)[-1], id="index"),
        pytest.param(lambda kind: kind(1)[:2], id="slice"),
        pytest.param(lambda kind: len(kind(1)), id="length"),
        pytest.param(lambda kind: kind(1) == (1, 2, "up"), id="equals-a-tuple"),
        pytest.param(lambda kind: kind(1) == kind(1, 2), id="equals-its-like"),
        pytest.param(lambda kind: kind(1) != kind(2), id="differs"),
        pytest.param(lambda kind: kind(1) < kind(2), id="order"),
        pytest.param(lambda kind: hash(kind(1)) == hash((1, 2, "up")), id="hash"),
        pytest.param(lambda kind: kind(1).total, id="property"),
        pytest.param(lambda kind: tuple(kind(1).moved()), id="method"),
        pytest.param(lambda kind: tuple(kind._make([1, 2, "a"])), id="make"),
        pytest.param(lambda kind: tuple(kind._make(iter("abc"))), id="make-iterator"),
        pytest.param(lambda kind: kind(1)._asdict(), id="asdict"),
        pytest.param(lambda kind: list(kind(1)._asdict()), id="asdict-order"),
        pytest.param(lambda kind: tuple(kind(1)._replace(y=9)), id="replace"),
        pytest.param(lambda kind: tuple(kind(1)._replace()), id="replace-nothing"),
        pytest.param(lambda kind: kind._fields, id="fields"),
        pytest.param(lambda kind: kind._field_defaults, id="field-defaults"),
        pytest.param(lambda kind: kind.__match_args__, id="match-args"),
        pytest.param(lambda kind: kind.__slots__, id="slots"),
        pytest.param(lambda kind: kind.__doc__, id="doc"),
        pytest.param(lambda kind: kind.__module__, id="module"),
        pytest.param(lambda kind: kind(1).__getnewargs__(), id="new-arguments"),
        pytest.param(lambda kind: issubclass(kind, tuple), id="a-tuple"),
        pytest.param(lambda kind: isinstance(kind(1), kind), id="an-instance"),
        pytest.param(lambda kind: type(kind(1)._replace(x=2)) is kind, id="same-type"),
        pytest.param(lambda kind: [*kind(1)], id="unpacking"),
        pytest.param(lambda kind: repr(kind(1)).removeprefix(kind.__name__), id="repr"),
        pytest.param(
            lambda kind: type(pickle.loads(pickle.dumps(kind(1)))) is kind,
            id="pickle-type",
        ),
        pytest.param(
            lambda kind: pickle.loads(pickle.dumps(kind(1))) == kind(1), id="pickle"
        ),
        pytest.param(lambda kind: copy.copy(kind(1)) == kind(1), id="copy"),
        pytest.param(lambda kind: copy.deepcopy(kind(1)) == kind(1), id="deep-copy"),
        pytest.param(
            lambda kind: [
                type(pickle.loads(pickle.dumps(kind(1), protocol))) is kind
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
            ],
            id="pickle-protocols",
        ),
    ],
)
def test_does_what_typing_does(act: Callable[[Any], object]) -> None:
    assert act(OURS) == act(THEIRS)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda kind: kind(), id="too-few"),
        pytest.param(lambda kind: kind(1, 2, "a", 4), id="too-many"),
        pytest.param(lambda kind: kind(1, x=1), id="twice"),
        pytest.param(lambda kind: kind(1, w=1), id="unknown-name"),
        pytest.param(lambda kind: kind(y=1), id="missing-by-name"),
        pytest.param(lambda kind: kind(1, 2, "a", z="b"), id="full-and-twice"),
        pytest.param(lambda kind: kind(1, 2, "a", 4, z="b"), id="too-many-and-twice"),
        pytest.param(lambda kind: kind._make([]), id="make-too-few"),
        pytest.param(lambda kind: kind._make([1, 2, 3, 4]), id="make-too-many"),
        pytest.param(lambda kind: setattr(kind(1), "x", 2), id="set-field"),
        pytest.param(lambda kind: delattr(kind(1), "x"), id="delete-field"),
        pytest.param(lambda kind: setattr(kind(1), "other", 2), id="set-other"),
        pytest.param(lambda kind: kind(1).other, id="get-other"),
        pytest.param(lambda kind: kind(1)[3], id="index"),
        pytest.param(lambda kind: hash(kind([])), id="hash-of-a-list"),
    ],
)
def test_refuses_what_typing_refuses(act: Callable[[Any], object]) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - it says which one is right
        act(THEIRS)
    with pytest.raises(Exception) as ours:  # noqa: PT011 - compared below
        act(OURS)

    assert ours.type is theirs.type


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda kind: kind._make([1]), id="make-fills-no-default"),
        pytest.param(lambda kind: kind(1)._replace(w=1), id="replace-unknown"),
    ],
)
def test_make_and_replace_refuse_like_typing(act: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        act(THEIRS)
    with pytest.raises((TypeError, ValueError)):
        act(OURS)


def test_message_of_a_wrong_call_names_the_class_and_the_field() -> None:
    with pytest.raises(TypeError, match=r"Ours\(\) misses x"):
        OURS(y=1)
    with pytest.raises(TypeError, match=r"Ours\(\) got \['w'\] too much"):
        OURS(1, w=2)
    with pytest.raises(TypeError, match=r"Ours\(\) got 4 too much"):
        OURS(1, 2, "a", 4)


def test_matches_by_place_and_by_name() -> None:
    match Ours(1, 5):
        case Ours(x, 5, z=z):
            found = (x, z)
        case _:
            found = (0, "none")

    assert found == (1, "up")


def test_has_no_room_for_other_attributes() -> None:
    assert not hasattr(Ours(1), "__dict__")


def test_class_without_fields_works() -> None:
    assert tuple(Empty()) == tuple(TheirEmpty()) == ()
    assert repr(Empty()) == "Empty()"
    with pytest.raises(TypeError):
        cast("Any", Empty)(1)


def test_a_field_may_hide_a_method_of_tuples() -> None:
    one = Hiding(7)

    assert (one.index, one.count) == (7, 0)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one._replace(index=8).index == 8


def test_a_protocol_is_a_plain_class() -> None:
    dog: Speaks = Dog()

    assert dog.word() == "wuff"
    assert Speaks.__mro__[1:] == (object,)
