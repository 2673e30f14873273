"""README and the pages of ``conformance/docs/``: what they show is what their commands print, and their links lead somewhere."""

from __future__ import annotations

import re
import shutil

import pytest

from conformance.selftests.builders.console import BLOCK, FILE, PAGES, ROOT, run_again, same, shows_commands
from conformance.selftests.builders.place import checkout

AGAIN = "`python -m conformance.selftests.builders.console` writes it again"
README = ROOT / "README.md"
LONGEST = 185
"""Lines of README: four doors, and where the pages are."""
SECTION = re.compile(r"^## ", re.MULTILINE)


def shown():
    """The sections that show commands, one test each, with the files of the whole page."""
    for page in filter(shows_commands, PAGES if README.is_file() else []):
        text = page.read_text(encoding="utf-8")
        files = "\n".join(found[0] for found in BLOCK.finditer(text) if FILE.match(found[2]))
        for section in SECTION.split(text):
            if "```console" in section:
                yield pytest.param(f"{files}\n\n{section}", id=f"{page.stem}-{section.splitlines()[0]}".replace(" ", "_"))


@checkout
@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("cc") is None, reason="what the pages show needs bash and a C compiler")
@pytest.mark.parametrize("text", list(shown()))
def test_what_a_page_shows_is_what_its_commands_print(text, tmp_path):
    assert run_again(text, tmp_path) == text, f"the output has changed; {AGAIN}"


@checkout
def test_readme_goes_from_installation_over_a_file_to_a_verdict():
    first = SECTION.split(README.read_text(encoding="utf-8"))[1]
    places = [first.index(words) for words in ("activate", "pip install", "# my_layers.py", "$ conform check my_layers.py")]
    assert places == sorted(places), "conform is on the path, and the file is written, before it is called"
    assert [kind for kind, _ in BLOCK.findall(first)] == ["python", "console"], "one file, and one verdict on it"


@checkout
def test_readme_is_short():
    count = len(README.read_text(encoding="utf-8").splitlines())
    assert count <= LONGEST, f"README has {count} lines: what is read once belongs to a page of conformance/docs/"


def anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page):
    """Where the links of a page lead, those on the web apart: file and anchor."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            yield target, (page.parent / path).resolve() if path else page, anchor


@checkout
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, path, anchor in links(page):
        assert path.exists(), f"{page.name} links {target}, which is not there"
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{page.name} links {target}, a heading that is not there"


@checkout
def test_every_page_can_be_reached_from_readme():
    seen, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page not in seen and page in PAGES:
            seen.add(page)
            waiting += [path for _, path, _ in links(page)]
    assert seen == set(PAGES), f"no link leads to {', '.join(page.name for page in set(PAGES) - seen)}"


# How it is run


def test_an_output_that_changed_is_written_and_one_that_varies_stays(tmp_path):
    page = "```python\n# one.py\nprint('a 1.5 s')\n```\n\n```console\n$ python one.py\na 2.5 s\n$ echo b\nold\n```\n"
    now = page.replace("a 2.5 s", "a 1.5 s").replace("old", "b")
    assert run_again(page, tmp_path / "first") == now, "the file is written and run, the output is the one of today"
    right = page.replace("old", "b")
    assert run_again(right, tmp_path / "second") == right, "times differ, and the page stays as it is"
    cut = "```console\n$ printf '1\\n2\\n3\\n'\n...\nx\ny\n```\n"
    assert run_again(cut, tmp_path / "third") == cut.replace("x\ny", "2\n3"), "as many last lines as there were"


def test_what_goes_wrong_is_shown(tmp_path):
    assert "No such file" in run_again("```console\n$ cat nothing\n```\n", tmp_path), "the sentence of the error stands there"


def test_only_times_and_small_differences_vary():
    assert same("7 passed in 3.41s, 4.8e-07, 0.5 s") == same("7 passed in 12.0s, 5.1e-06, 1 s"), "these vary"
    assert same("7 passed") != same("8 passed"), "counts do not"
    assert not shows_commands(ROOT / "conformance" / "docs" / "compare.md"), "a block without a kind is read, not run"
