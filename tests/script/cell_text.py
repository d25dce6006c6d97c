"""The one text form of types and cells in scripts, and back: what a `.test` file says and shows."""

from __future__ import annotations

import ast
import datetime
import decimal
import re
from typing import Any

import pyarrow as pa

NAMED_TYPES: dict[str, pa.DataType] = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "date32": pa.date32(),
    "date64": pa.date64(),
}
NAME_OF_TYPE = {arrow_type: name for name, arrow_type in NAMED_TYPES.items()}
EPOCH = datetime.datetime(1970, 1, 1)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


# -- types


def parse_type(text: str) -> pa.DataType:
    """`list<int64>`, `decimal(10, 2)`, `timestamp[us, UTC]`, `struct<a: int64, b: string>` …"""
    text = text.strip()
    if text in NAMED_TYPES:
        return NAMED_TYPES[text]
    match = re.fullmatch(r"(\w+)([<(\[])(.*)[>)\]]", text)
    if not match:
        raise ValueError(f"expected a type, got {text!r}")
    return parametrised_type(match[1], split_top(match[3]))


def parametrised_type(name: str, params: list[str]) -> pa.DataType:
    """The type `name` of `params`."""
    if name == "decimal":
        return pa.decimal128(int(params[0]), int(params[1]))
    if name == "timestamp":
        return pa.timestamp(params[0], *params[1:])
    if name in ("time32", "time64", "duration"):
        return getattr(pa, name)(params[0])
    if name == "fixed_binary":
        return pa.binary(int(params[0]))
    if name == "struct":
        fields = (param.split(":", 1) for param in params)
        return pa.struct([(field.strip(), parse_type(text)) for field, text in fields])
    inner = [parse_type(param) for param in params]
    makers = {"list": pa.list_, "large_list": pa.large_list, "map": pa.map_}
    if name == "dictionary":
        return pa.dictionary(pa.int32(), inner[0])
    return makers[name](*inner)


def split_top(text: str) -> list[str]:
    """Parts between the commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "<([") - (char in ">)]")
        if char == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def type_text(arrow_type: pa.DataType) -> str:
    """The inverse of parse_type."""
    types = pa.types
    if arrow_type in NAME_OF_TYPE:
        return NAME_OF_TYPE[arrow_type]
    if types.is_decimal128(arrow_type):
        return f"decimal({arrow_type.precision}, {arrow_type.scale})"
    if types.is_timestamp(arrow_type):
        zone = f", {arrow_type.tz}" if arrow_type.tz else ""
        return f"timestamp[{arrow_type.unit}{zone}]"
    if types.is_dictionary(arrow_type):
        return f"dictionary<{type_text(arrow_type.value_type)}>"
    if types.is_fixed_size_binary(arrow_type):
        return f"fixed_binary({arrow_type.byte_width})"
    if types.is_struct(arrow_type):
        fields = (f"{field.name}: {type_text(field.type)}" for field in arrow_type)
        return f"struct<{', '.join(fields)}>"
    if types.is_map(arrow_type):
        return f"map<{type_text(arrow_type.key_type)}, {type_text(arrow_type.item_type)}>"
    if types.is_list(arrow_type) or types.is_large_list(arrow_type):
        name = "list" if types.is_list(arrow_type) else "large_list"
        return f"{name}<{type_text(arrow_type.value_type)}>"
    return str(arrow_type)


def plain_type(arrow_type: pa.DataType) -> pa.DataType:
    """Without dictionaries and large layouts: what a query means, however its input came."""
    types = pa.types
    if types.is_dictionary(arrow_type):
        return plain_type(arrow_type.value_type)
    if types.is_large_string(arrow_type) or types.is_string_view(arrow_type):
        return pa.string()
    if types.is_large_binary(arrow_type) or types.is_binary_view(arrow_type):
        return pa.binary()
    if types.is_list(arrow_type) or types.is_large_list(arrow_type):
        return pa.list_(plain_type(arrow_type.value_type))
    if types.is_struct(arrow_type):
        return pa.struct([(field.name, plain_type(field.type)) for field in arrow_type])
    if types.is_map(arrow_type):
        return pa.map_(plain_type(arrow_type.key_type), plain_type(arrow_type.item_type))
    return arrow_type


# -- cells to text


def column_texts(column: pa.ChunkedArray) -> list[str]:
    """The cells of a column as a script shows them."""
    arrow_type = plain_type(column.type)
    return [cell_text(scalar, arrow_type) for scalar in column]


def cell_text(scalar: pa.Scalar, arrow_type: pa.DataType) -> str:
    """One cell; strings stand bare unless that could be misread."""
    if pa.types.is_dictionary(scalar.type) and scalar.is_valid:
        scalar = scalar.dictionary[scalar.index.as_py()]
    if not scalar.is_valid:
        return "NULL"
    if pa.types.is_string(arrow_type):
        return bare_string(scalar.as_py())
    return value_text(scalar, arrow_type)


def bare_string(value: str) -> str:
    """`value`, quoted as in Python where it could be misread."""
    plain = value.strip() == value and value.isprintable() and "|" not in value
    return value if plain and value not in ("", "NULL") and value[0] not in "'\"#" else repr(value)


def value_text(scalar: pa.Scalar, arrow_type: pa.DataType) -> str:
    """A valid value of any type; strings are quoted."""
    types = pa.types
    if types.is_timestamp(arrow_type):
        return timestamp_text(raw_integer(scalar), arrow_type)
    if types.is_duration(arrow_type):
        return duration_text(raw_integer(scalar), arrow_type.unit)
    if types.is_time(arrow_type):
        return time_text(raw_integer(scalar), PER_SECOND[arrow_type.unit])
    if types.is_list(arrow_type) or types.is_struct(arrow_type) or types.is_map(arrow_type):
        return nested_text(scalar, arrow_type)
    return simple_text(scalar.as_py())


def simple_text(value: Any) -> str:
    """Numbers, booleans, bytes, dates, decimals, strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return repr(value)


def raw_integer(scalar: pa.Scalar) -> int:
    """The stored number of a temporal value."""
    width = pa.int32() if scalar.type.bit_width == 32 else pa.int64()
    return scalar.cast(width).as_py()


def time_text(value: int, per_second: int) -> str:
    """Time of day with as many digits of a second as are needed."""
    seconds, fraction = divmod(value, per_second)
    minutes, second = divmod(seconds, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
    digits = len(str(per_second)) - 1
    return text + (f".{fraction:0{digits}}".rstrip("0") if fraction else "")


def timestamp_text(value: int, arrow_type: pa.DataType) -> str:
    """ISO with a blank; zoned ones in UTC with Z."""
    per_second = PER_SECOND[arrow_type.unit]
    days, rest = divmod(value, 86_400 * per_second)
    date = (EPOCH + datetime.timedelta(days=days)).date().isoformat()
    return f"{date} {time_text(rest, per_second)}" + ("Z" if arrow_type.tz else "")


def duration_text(value: int, unit: str) -> str:
    """`1 day 02:03:04`."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    days, rest = divmod(value, 86_400 * PER_SECOND[unit])
    text = f"{days} day{'s' if days != 1 else ''}" if days else ""
    time = time_text(rest, PER_SECOND[unit]) if rest or not days else ""
    return sign + f"{text} {time}".strip()


def nested_text(scalar: pa.Scalar, arrow_type: pa.DataType) -> str:
    """`[1, NULL]`, `{'a': 1}`."""
    if pa.types.is_struct(arrow_type):
        parts = [f"{field.name!r}: {inner(scalar[field.name], field.type)}" for field in arrow_type]
        return "{" + ", ".join(parts) + "}"
    values = scalar.values
    if pa.types.is_map(arrow_type):
        keys = [inner(key, arrow_type.key_type) for key in values.field(0)]
        items = [inner(item, arrow_type.item_type) for item in values.field(1)]
        return "{" + ", ".join(f"{k}: {v}" for k, v in zip(keys, items)) + "}"
    return "[" + ", ".join(inner(value, arrow_type.value_type) for value in values) + "]"


def inner(scalar: pa.Scalar, arrow_type: pa.DataType) -> str:
    """A cell within a cell."""
    return value_text(scalar, arrow_type) if scalar.is_valid else "NULL"


# -- text to cells


def parse_cells(texts: list[str], arrow_type: pa.DataType) -> pa.Array:
    """A column of a literal table."""
    values = [parse_cell(text, arrow_type) for text in texts]
    if pa.types.is_dictionary(arrow_type):
        return pa.array(values, arrow_type.value_type).dictionary_encode()
    return pa.array(values, arrow_type)


def parse_cell(text: str, arrow_type: pa.DataType) -> Any:
    """A Python value that pyarrow takes for the type."""
    types = pa.types
    arrow_type = plain_type(arrow_type)
    if text == "NULL":
        return None
    if types.is_string(arrow_type):
        return ast.literal_eval(text) if text[:1] in ("'", '"') else text
    if types.is_boolean(arrow_type):
        return {"true": True, "false": False}[text]
    if types.is_integer(arrow_type) or types.is_duration(arrow_type):
        return int(text)
    if types.is_floating(arrow_type):
        return float(text)
    if types.is_decimal(arrow_type):
        return decimal.Decimal(text)
    if types.is_binary(arrow_type) or types.is_fixed_size_binary(arrow_type):
        return bytes.fromhex(text.removeprefix("\\x"))
    if types.is_timestamp(arrow_type):
        return parse_timestamp(text, arrow_type)
    if types.is_date(arrow_type):
        return datetime.date.fromisoformat(text)
    if types.is_time(arrow_type):
        return datetime.time.fromisoformat(text)
    return python_literal(text, arrow_type)


def parse_timestamp(text: str, arrow_type: pa.DataType) -> int:
    """Whole units since the epoch; the text is in UTC."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    per_second = PER_SECOND[arrow_type.unit]
    seconds = (datetime.datetime.fromisoformat(head) - EPOCH) // datetime.timedelta(seconds=1)
    digits = len(str(per_second)) - 1
    return seconds * per_second + (int(fraction.ljust(digits, "0")) if fraction else 0)


def python_literal(text: str, arrow_type: pa.DataType) -> Any:
    """Lists, structs and maps as Python spells them."""
    value = ast.literal_eval(text.replace("NULL", "None"))
    return list(value.items()) if pa.types.is_map(arrow_type) else value
