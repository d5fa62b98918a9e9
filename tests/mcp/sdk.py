"""Which versions of the MCP SDK we promise to work with. ``python -m tests.mcp.sdk``: the lowest, for pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def supported() -> SpecifierSet:
    """The range of the extra ``mcp``."""
    extras = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (requirement,) = extras["mcp"]
    return SpecifierSet(requirement.removeprefix("mcp"))


def lowest() -> Version:
    (bound,) = re.findall(r">=\s*([^,\s]+)", str(supported()))
    return Version(bound)


if __name__ == "__main__":
    print(f"mcp=={lowest()}")
