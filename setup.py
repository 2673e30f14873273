"""What pyproject.toml cannot say: the description that a package index shows is README, with links that lead somewhere from there."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def description(readme: str, home: str | None) -> str:
    """The text of README for an index.

    An index shows one page and has no other file: a link to a file leads to the project's home, where `[project.urls]` names that as
    "Source"; without a home the path stands behind the words. A link to a heading is plain words, since an index gives those no anchors.
    """

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        if target.startswith("#"):
            return words
        if "://" in target:
            return found[0]
        return f"[{words}]({home}/blob/HEAD/{target})" if home else f"{words} (`{target.partition('#')[0]}`)"

    return LINK.sub(link, readme)


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    setup(
        long_description=description((ROOT / "README.md").read_text(encoding="utf-8"), project.get("urls", {}).get("Source")),
        long_description_content_type="text/markdown",
    )
