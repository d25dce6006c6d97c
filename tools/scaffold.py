"""`./dev new KIND NAME`: the skeleton of an addition, with a test that fails until written."""

KINDS = {}


def write(kind, name):
    raise NotImplementedError(kind)
