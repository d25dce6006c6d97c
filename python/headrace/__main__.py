"""The `headrace` command of an installed wheel: becomes the native program beside the package."""

import os
import sys
from pathlib import Path


def main() -> None:
    package = Path(__file__).absolute().parent
    # In a wheel headrace/bin/headrace; in a build tree build/headrace, two folders up.
    for program in (package / "bin" / "headrace", package.parent.parent / "headrace"):
        if program.is_file():
            os.execv(program, ["headrace", *sys.argv[1:]])
    sys.exit(f"headrace: this installation has no native program under {package}")


if __name__ == "__main__":
    main()
