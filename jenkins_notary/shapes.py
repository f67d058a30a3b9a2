"""Make named tuples and protocols without the cost of ``typing`` at start-up.

A value class reads like one of :class:`typing.NamedTuple`, and is exactly that to a
type checker::

    class Point(NamedTuple):
        x: int
        y: int = 0

At run time the class is made by this module instead. ``typing`` takes 4 ms to import
and compiles every annotation and a constructor for each class, 0.1 ms a time; a cold
start of the command line has some fifty of them and a budget of 40 ms in all. What
a named tuple can do is kept: fields by name and place, defaults, keyword arguments,
``_replace``, ``_asdict``, ``_fields``, pickling, matching. A protocol is a type
checker's matter; at run time it is a plain class.

Source: ``typing.NamedTuple`` and ``collections.namedtuple``, Python 3.11. This module
is part of the agent: standard library only, Python 3.8.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - an explicit re-export
    from typing import Protocol as Protocol  # noqa: PLC0414 - an explicit re-export
else:
    from operator import itemgetter

    Protocol = object

    class _Base(tuple):
        """What every named tuple has."""

        __slots__ = ()
        _fields = ()
        _field_defaults = {}  # noqa: RUF012 - replaced in each class, never changed

        def __new__(cls, *args: object, **kwargs: object) -> _Base:  # noqa: PYI034 - Self is 3.11
            if kwargs or len(args) != len(cls._fields):
                args = _fill(cls, args, kwargs)
            return tuple.__new__(cls, args)

        @classmethod
        def _make(cls, values: Iterable[object]) -> _Base:
            """Return one whose fields are an iterable's values; it has them all."""
            one = tuple.__new__(cls, values)
            if len(one) != len(cls._fields):
                message = f"{cls.__name__}() takes {len(cls._fields)}, got {len(one)}"
                raise TypeError(message)
            return one

        def _asdict(self) -> dict[str, object]:
            """Return the fields by name."""
            return dict(zip(self._fields, self))

        def _replace(self, **changes: object) -> _Base:
            """Return a copy with other values of some fields."""
            values = [changes.pop(one, self[n]) for n, one in enumerate(self._fields)]
            # What is left is no field: it is refused by its name.
            return type(self)(*values, **changes)

        def __getnewargs__(self) -> tuple[object, ...]:
            """Return what a copy or a pickle is made of."""
            return tuple(self)

        def __repr__(self) -> str:
            parts = [f"{name}={value!r}" for name, value in self._asdict().items()]
            return f"{type(self).__name__}({', '.join(parts)})"

    class _Maker(type):
        """Turn the body of a class into a named tuple; it is no metaclass of it."""

        def __new__(
            cls, name: str, _bases: tuple[type, ...], namespace: dict[str, object]
        ) -> type:
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {one: namespace[one] for one in fields if one in namespace}
            getters = {
                one: property(itemgetter(place)) for place, one in enumerate(fields)
            }
            namespace.setdefault("__slots__", ())
            return type(
                name,
                (_Base,),
                {
                    **namespace,
                    **getters,
                    "_fields": fields,
                    "_field_defaults": defaults,
                    "__match_args__": fields,
                },
            )

    NamedTuple = type.__new__(_Maker, "NamedTuple", (), {})

    def _fill(
        cls: type[_Base], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> list[object]:
        """Return the values of all fields from arguments and defaults."""
        values = dict(zip(cls._fields, args))
        twice = [one for one in kwargs if one in values or one not in cls._fields]
        if len(args) > len(cls._fields) or twice:
            message = f"{cls.__name__}() got {twice[:1] or len(args)} too much"
            raise TypeError(message)
        values = {**cls._field_defaults, **values, **kwargs}
        missing = [one for one in cls._fields if one not in values]
        if missing:
            message = f"{cls.__name__}() misses {', '.join(missing)}"
            raise TypeError(message)
        return [values[one] for one in cls._fields]
