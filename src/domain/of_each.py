"""What a column has for each place, or for each distinct number."""

import numpy as np

from .sample import Ints


def first_of_each(numbers: Ints) -> Ints:
    """Where each distinct number stands first, in order."""
    in_order = np.sort(numbers)
    if (in_order[1:] != in_order[:-1]).all():
        return np.arange(len(numbers))
    return np.sort(np.unique(numbers, return_index=True)[1])


def least_of_each(places: Ints, values: Ints, length: int) -> Ints:
    """The least value at each place; the greatest there can be where there is none."""
    least = np.full(length, np.iinfo(np.int64).max)
    np.minimum.at(least, places, values)
    return least


def greatest_of_each(places: Ints, values: Ints, length: int) -> Ints:
    """The greatest value at each place; -1 where there is none."""
    greatest = np.full(length, -1)
    np.maximum.at(greatest, places, values)
    return greatest
