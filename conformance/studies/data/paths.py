"""Where the experiments find and leave their files."""

from __future__ import annotations

from pathlib import Path


def fixtures_dir() -> Path:
    """The checkout's ``fixtures/`` folder, beside the package; raises ``FileNotFoundError`` where there is none."""
    folder = Path(__file__).resolve().parents[3] / "fixtures"
    if not folder.is_dir():
        raise FileNotFoundError(
            "The checkpoints and small data sets live in the folder `fixtures/` of the project's checkout, "
            "and there is none beside the installed package: work in a checkout (`pip install -e .`)."
        )
    return folder


def checkpoints_dir() -> Path:
    """The folder that holds one folder for each trained row."""
    return fixtures_dir() / "checkpoints"


def runs_dir() -> Path:
    """The folder of the records of trainings that are compared: ``lockstep.json``, and ``gap/`` with a file for each run."""
    return fixtures_dir() / "runs"


def cache_dir() -> Path:
    """The folder of this project in the user's cache: downloads, and the states of trainings under way."""
    import pooch

    return Path(pooch.os_cache("keras-conformance"))
