"""``forefetch`` that ends by SIGKILL at a point:

    python -m tests.crash.serve --crash "claimed, no C-MOVE yet:2" -- serve -c routes.yaml

Everything else is the real command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engine.cli import main
from tests.crash.points import POINTS, arm


def forefetch(arguments: Sequence[str], crash: str = "") -> None:
    """The command line tool with these arguments. ``crash`` is a point, and after a colon how many times it
    is passed. Raises SystemExit as the tool does."""
    if crash:
        name, _, passage = crash.partition(":")
        if name not in POINTS:
            sys.exit(f"no point {name!r}; there are:\n" + "\n".join(POINTS))
        arm(name, int(passage or 1))
    sys.argv = ["forefetch", *arguments]
    main()


if __name__ == "__main__":
    place = sys.argv.index("--")
    forefetch(sys.argv[place + 1 :], *(sys.argv[2:place] if sys.argv[1] == "--crash" else ()))
