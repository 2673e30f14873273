"""One file from the network: pinned checksum, cache, progress bar, short timeouts, one wait for a host that is away.

Raises
------
DataError
    The base of the two below, which is what a caller catches.
DataUnavailable
    The data are neither here nor to be had; the message is one sentence that says how to give them.
DataInvalidError
    Data were given and are incomplete or damaged; the message names the file.
"""

from __future__ import annotations

import logging
from pathlib import Path

from conformance.base.files import checksum

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 20.0
NO_DOWNLOADS = (
    "{what} is not here, and to download it takes what `pip install 'keras-conformance[live]'` brings: install that, or give "
    "CONFORM_DATA=DIR, a folder that holds it."
)
_failed: dict[tuple[str, str], str] = {}


class DataError(Exception):
    """A data set cannot be handed out."""


class DataUnavailable(DataError):  # noqa: N818
    """The data are not in the folder that is given, or neither given nor reachable; tests skip on this, with its sentence."""


class DataInvalidError(DataError):
    """A file that was given or downloaded lacks a part or is not what it should be."""


def matches(path: Path, known_hash: str) -> bool:
    """Whether the file has the checksum ``"algorithm:hex"`` (plain hex is SHA-256)."""
    algorithm, _, digest = known_hash.rpartition(":")
    return checksum(path, algorithm or "sha256") == digest


def fetch(url: str, known_hash: str, cache: Path, what: str) -> Path:
    """The local copy of ``url``, downloaded into ``cache`` unless it is there already with the right checksum.

    Parameters
    ----------
    url, known_hash : str
        Address, and checksum as ``"algorithm:hex"``.
    cache : Path
        Folder of the copy; its name is the address's last part.
    what : str
        The data set's title, for the message.

    Raises
    ------
    DataUnavailable
        Nothing answered. Remembered: the next call for the same address in this process fails at once.
    DataInvalidError
        Something answered, and it is not the pinned file; nothing is kept.
    """
    target = cache / url.rsplit("/", 1)[-1]
    key = (url, str(target))
    if key in _failed:
        raise DataUnavailable(_failed[key])
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))
    try:
        pooch.retrieve(url, known_hash, fname=target.name, path=cache, downloader=downloader)
    except (requests.RequestException, OSError) as error:
        _failed[key] = (
            f"{what} is not here and could not be downloaded ({type(error).__name__}): give CONFORM_DATA=DIR, "
            "a folder that holds it, or connect to a network."
        )
        raise DataUnavailable(_failed[key]) from error
    except ValueError as error:  # pooch's word for a checksum that differs; it has removed the file
        message = f"{what}: the download {target.name} does not have its pinned checksum {known_hash}."
        raise DataInvalidError(message) from error
    return target
