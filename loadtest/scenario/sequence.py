"""
Names with `%d`: the sequences of queues and routing keys that a name with a count stands for, numbered from 1.

Also says which of them each user of a group gets.
"""

from __future__ import annotations

from typing import Final

NUMBER: Final = "%d"


def numbered(pattern: str, number: int) -> str:
    """Return the name with the number in the place of `%d`."""
    return pattern.replace(NUMBER, str(number))


def sequence(pattern: str, count: int | None) -> tuple[str, ...]:
    """Return all names of a pattern; a name without a count stands for itself."""
    return (pattern,) if count is None else tuple(numbered(pattern, number) for number in range(1, count + 1))


def is_member(name: str, pattern: str, count: int | None) -> bool:
    """Return whether a name is one of `sequence(pattern, count)`, without writing these out."""
    if count is None:
        return name == pattern
    head, _, tail = pattern.partition(NUMBER)
    number = name.removeprefix(head).removesuffix(tail)
    is_number = number.isdecimal() and number.isascii() and len(number) <= len(str(count))
    return is_number and 1 <= int(number) <= count and name == numbered(pattern, int(number))


def numbers_of_user(user: int, users: int, count: int) -> range:
    """
    Return the numbers, from 1 to *count*, that a user (from 0) works on.

    With as many users as numbers or more each has one; with fewer each takes every *users*-th.
    """
    if users >= count:
        number = user % count + 1
        return range(number, number + 1)
    return range(user + 1, count + 1, users)
