"""Which labels of a table make which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from covidnet.errors import DataError
from covidnet.naming import did_you_mean

Classes = Mapping[str, "str | list[str]"]
"""Labels by class name."""


def as_lists(classes: Classes) -> dict[str, list[str]]:
    """The labels of each class as a list."""
    return {name: [labels] if isinstance(labels, str) else list(labels) for name, labels in classes.items()}


def class_of_each_label(classes: Classes, present: Sequence[str], key: str) -> dict[str, str]:
    """The class that each label belongs to.

    Args:
        classes: What was asked for.
        present: The labels that the data have.
        key: The configuration's key, for messages.

    Raises:
        DataError: A label is in two classes, or the data have none of that name.
    """
    by_label: dict[str, str] = {}
    for name, labels in as_lists(classes).items():
        for label in labels:
            if by_label.setdefault(label, name) != name:
                raise DataError(
                    f"{key}: the label {label} is in the classes {by_label[label]} and {name}. Take it out."
                )
            if label not in present:
                shown = ", ".join(sorted(set(present))[:20])
                raise DataError(
                    f"{key}.{name}: no image has the label {label}.{did_you_mean(label, present)} Found: {shown}."
                )
    return by_label
