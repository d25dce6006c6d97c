"""The exceptions of headrace: one class per kind of error, all of them `Error`.

Each is also the builtin exception that fits (`NotFoundError` is a `FileNotFoundError`), and has the
attributes `kind`, the stable name of its kind, and `sqlstate`.
"""

from headrace._headrace import (
    BadDataError,
    CallbackError,
    CancelledError,
    DivisionByZeroError,
    Error,
    InternalError,
    InvalidArgumentError,
    IoError,
    MemoryLimitError,
    NotFoundError,
    OverflowError,
    StaleInputError,
    SyntaxError,
    TypeMismatchError,
    UnknownNameError,
    UnsupportedError,
)

__all__ = [
    "BadDataError",
    "CallbackError",
    "CancelledError",
    "DivisionByZeroError",
    "Error",
    "InternalError",
    "InvalidArgumentError",
    "IoError",
    "MemoryLimitError",
    "NotFoundError",
    "OverflowError",
    "StaleInputError",
    "SyntaxError",
    "TypeMismatchError",
    "UnknownNameError",
    "UnsupportedError",
]
