"""Options given in Python become the texts that the engine reads, as in SQL and the command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from headrace import _headrace
from headrace.errors import InvalidArgumentError


def option_texts(options: Mapping[str, Any]) -> dict[str, str]:
    """Names in lower case and values as text; options that are None are left out."""
    given = {name.lower(): value for name, value in options.items() if value is not None}
    return {name: option_text(name, value) for name, value in given.items()}


def option_text(name: str, value: Any) -> str:
    """`value` as the engine spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if name == "columns" and isinstance(value, Mapping):
        return column_list(value)
    raise InvalidArgumentError(f"expected a text, number or bool as option {name}, got {value!r}")


def column_list(types: Mapping[str, Any]) -> str:
    """`"a" BIGINT, "b" VARCHAR` from names and types, which are SQL names or pyarrow types."""
    parts = []
    for name, given in types.items():
        type_text = given if isinstance(given, str) else _headrace.type_name(given)
        parts.append('"{}" {}'.format(name.replace('"', '""'), type_text))
    return ", ".join(parts)
