"""What is handed out: a source distribution with all that a checkout has, and a wheel with what works installed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from conformance.cli.usage import STUDIES
from conformance.selftests.builders.place import HIDING, ROOT, USAGE_ERROR, Place, checkout, said

pytestmark = checkout
LARGEST_WHEEL = 24_000_000
"""Bytes."""
ABSENT = {"keras", "tensorflow", "h5py", "hypothesis", "sklearn", "scipy", "tabulate", "tqdm", "typer", "click", "pooch", "pytest"}
"""All but NumPy and safetensors."""
LEFT_OUT = ("conformance/selftests/", "conformance/studies/", "conformance/cli/studies/")
VECTORS = "fixtures/vectors"
WEIGHTY = ("fixtures/checkpoints/", "fixtures/runs/", f"{VECTORS}/", "reports/")
"""Of these files the names matter to a source distribution, not what is in them."""
MADE = re.compile(r"PKG-INFO|setup\.cfg|[^/]+\.egg-info/.*")
"""What building adds to a source distribution."""
RELATIVE = re.compile(r"\]\((?!https?://)[^)]*\)")
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
NOT_EDITABLE = "import sys\nsys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in repr(finder)]\n"
"""A `sitecustomize.py`: an editable installation of this project finds nothing, so that only the unpacked wheel is there."""
WRONG = """
def dense_forward(x, kernel, bias=None):
    return x @ kernel
"""


def of_the_checkout() -> list[str]:
    """Every file that is not made by running something here."""
    made = {"__pycache__", "build", "dist"}
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in (".ci", ".gitignore")
        if path.is_file() and not hidden and not made & {*parts} and not any(part.endswith(".egg-info") for part in parts):
            found.append("/".join(parts))
    return [name for name in found if not MADE.fullmatch(name)]


def build(what: str, source: Path, target: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", BUILD, f"build_{what}", str(target)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, f"the {what} is not built: {said(done)[-2000:]}"
    (made,) = target.glob("*.tar.gz" if what == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The source distribution, unpacked; it is made of a copy, since building leaves files behind."""
    pytest.importorskip("setuptools", minversion="77", reason="building needs setuptools 77, which the extra `dev` brings")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    for name in of_the_checkout():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if name.startswith(WEIGHTY):
            (source / name).touch()
        else:
            shutil.copyfile(ROOT / name, source / name)
    with tarfile.open(build("sdist", source, target)) as archive:
        archive.extractall(target, filter="data")
    (unpacked,) = (path for path in target.iterdir() if path.is_dir())
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel, made from the source distribution alone."""
    shutil.copytree(ROOT / VECTORS, sdist / VECTORS, dirs_exist_ok=True)
    return build("wheel", sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def installed(wheel, tmp_path):
    """A folder of a user's, with nothing of this project but the unpacked wheel."""
    place = Place(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place.library)
    return place


def run(place: Place, *arguments: str, hidden: set[str]) -> subprocess.CompletedProcess[str]:
    place.customize(HIDING.format(hidden=hidden) + NOT_EDITABLE)
    return place.python("-m", *arguments, PYTHONPATH=str(place.library))


def test_the_source_distribution_has_every_file_of_the_checkout(sdist):
    there = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    ours, theirs = set(of_the_checkout()), {name for name in there if not MADE.fullmatch(name)}
    assert theirs == ours, f"MANIFEST.in: missing {sorted(ours - theirs)[:9]}, too many {sorted(theirs - ours)[:9]}"


def test_the_wheel_has_what_works_installed(wheel):
    assert wheel.stat().st_size <= LARGEST_WHEEL, f"the wheel has {wheel.stat().st_size:,} bytes, at most {LARGEST_WHEEL:,} may be"
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {name for name in of_the_checkout() if name.endswith(".py") and name.startswith(("reference/", "conformance/"))}
    wanted = {name for name in modules if not name.startswith(LEFT_OUT)}
    found = {name for name in there if name.endswith(".py") and not name.startswith(("conformance/_samples/", "conformance/_submissions/"))}
    assert found == wanted, f"missing {sorted(wanted - found)[:9]}, too many {sorted(found - wanted)[:9]}"
    data = ("_vectors/manifest.json", "_samples/dense_lstm.c", "docs/contract.md", "py.typed")
    for name in (*(f"conformance/{one}" for one in data), "reference/py.typed"):
        assert name in there, f"{name} is in the wheel"


def test_the_description_has_no_link_that_an_index_cannot_follow(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    assert "# keras-conformance" in metadata and "text/markdown" in metadata, "README is the description"
    assert not RELATIVE.findall(metadata), f"these lead nowhere on an index: {RELATIVE.findall(metadata)}"
    assert "(`conformance/docs/contract.md`)" in metadata, "instead, the file is named"


def test_with_a_home_the_links_of_the_description_lead_there():
    specification = importlib.util.spec_from_file_location("setup_of_the_project", ROOT / "setup.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    text = module.description("[a\nb](docs/one.md#two), [c](#three), [d](https://e.org/f)", "https://code.example/x")
    assert text == "[a\nb](https://code.example/x/blob/HEAD/docs/one.md#two), c, [d](https://e.org/f)", text


def test_a_check_by_the_wheel_alone_needs_numpy_and_safetensors(installed):
    page = (installed.library / "conformance" / "docs" / "protocol.md").read_text(encoding="utf-8")
    told = re.search(r"inside\nthe package, as `(.*?)`", page)
    assert told and (installed.library / told[1]).is_file(), "the sample in C lies where the page of the protocol says"
    installed.write("my_layers.py", WRONG)
    result = run(installed, "conformance", "check", "my_layers.py", hidden=ABSENT)
    assert result.returncode == 1 and "when the bias is left out" in result.stdout, said(result)[-2000:]


def test_the_suite_runs_by_the_wheel_alone(installed):
    arguments = ("pytest", "-p", "no:cacheprovider", "--pyargs", "conformance", "--conform-layers=Flatten")
    result = run(installed, *arguments, hidden={"keras", "tensorflow"})
    assert result.returncode == 0, f"the reference passes: {said(result)[-2000:]}"
    assert "\nconformance: recorded vectors answer, since tensorflow is not installed here" in result.stdout, "the header says who answers"
    live = run(installed, *arguments, "--conform-oracle=live", hidden={"keras", "tensorflow"})
    assert live.returncode == USAGE_ERROR, f"what was asked for is not replaced: {said(live)[-2000:]}"


@pytest.mark.parametrize("command", STUDIES)
def test_a_command_of_the_studies_says_that_it_needs_a_checkout(installed, command):
    result = run(installed, "conformance", command, hidden=set())
    sentence = f"conform {command} needs a checkout of the project: the installed package has neither its studies nor its reports.\n"
    assert (result.returncode, said(result)) == (2, sentence)


@pytest.mark.parametrize(("arguments", "words"), [(["record"], "conform record needs TensorFlow and Keras: "), (["doctor"], "")])
def test_the_other_commands_run_by_the_wheel_alone(installed, arguments, words):
    result = run(installed, "conformance", *arguments, hidden={"keras", "tensorflow", "pooch"})
    assert "Traceback" not in said(result), said(result)[-2000:]
    assert result.stderr.startswith(words) and result.returncode == (2 if words else 0), said(result)[-2000:]
