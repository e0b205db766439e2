"""Files fetched from their makers' servers: whole and with the right checksum, or not at all.

Plain urllib: what a library would add here (pooch, say) is six more packages, and it would
repeat a request that was answered 404.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import IO

from tqdm import tqdm

from neurosim.arrays.storage import whole_or_nothing
from neurosim.experiments.data.types import BrokenDataError, DownloadError

MIRROR = "NEUROSIM_MIRROR"
CHUNK_BYTES = 1 << 16
# Request Timeout, Too Many Requests: the server asks to come again
WORTH_REPEATING = frozenset({408, 429})


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server, and the checksum it has to have.

    algorithm: a name of hashlib; digest: in hexadecimal.
    """

    base_url: str
    name: str
    algorithm: str
    digest: str

    def url(self, mirror: str | None = None) -> str:
        """`mirror` or $NEUROSIM_MIRROR stand in for the base; the file name stays."""
        base = mirror or os.environ.get(MIRROR) or self.base_url
        return f"{base.rstrip('/')}/{self.name}"

    def matches(self, path: Path) -> bool:
        """Whether the file at `path` has the checksum."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest() == self.digest


def present(remote: RemoteFile, folder: Path) -> bool:
    """Whether `folder` holds the file; one of that name with another checksum is refused."""
    path = folder / remote.name
    if not path.exists():
        return False
    if not remote.matches(path):
        raise BrokenDataError(
            f"{path} does not have the {remote.algorithm} checksum {remote.digest} it has to "
            f"have; delete it and run again with --download."
        )
    return True


def fetch(
    remote: RemoteFile,
    folder: Path,
    *,
    progress: bool = True,
    mirror: str | None = None,
    n_attempts: int = 4,
    first_wait_s: float = 1.0,
    timeout_s: float = 30.0,
) -> Path:
    """The file in `folder`, downloaded unless it is there already.

    A connection that fails or is cut is tried again, `n_attempts` times in all, after
    first_wait_s, twice that, and so on; a refusal (404 and the like) or a wrong checksum is
    final. Raises DownloadError, BrokenDataError, or OSError where the folder cannot be written to;
    nothing half-written stays.
    """
    path = folder / remote.name
    if present(remote, folder):
        return path
    url = remote.url(mirror)
    for attempt in range(n_attempts):
        if attempt:
            sleep(first_wait_s * 2 ** (attempt - 1))
        try:
            with whole_or_nothing(path) as temporary, temporary.open("wb") as file:
                _stream(remote, url, file, timeout_s, progress)
            return path
        except _Transient as error:
            reason = str(error)
    raise DownloadError(
        f"could not download {url}: {reason} ({n_attempts} attempts); check the network and run "
        f"again with --download, or name a mirror with {MIRROR}."
    )


class _Transient(Exception):
    """A failure that may pass."""


def _stream(remote: RemoteFile, url: str, file: IO[bytes], timeout_s: float, bar: bool) -> None:
    """Write what `url` gives to `file`, and check it."""
    digest = hashlib.new(remote.algorithm)
    n_bytes = 0
    with _open(url, timeout_s) as response:
        n_announced = response.length
        with tqdm(
            total=n_announced, desc=remote.name, unit="B", unit_scale=True, disable=not bar
        ) as shown:
            while chunk := _read(response):
                file.write(chunk)
                digest.update(chunk)
                n_bytes += len(chunk)
                shown.update(len(chunk))
    # read(n) of a connection that was closed early returns less, in silence
    if n_announced is not None and n_bytes < n_announced:
        raise _Transient(f"the connection was cut after {n_bytes} of {n_announced} bytes")
    if digest.hexdigest() != remote.digest:
        raise DownloadError(
            f"what came from {url} has {remote.algorithm} {digest.hexdigest()} instead of "
            f"{remote.digest}, so it was thrown away; the file was changed at its source or on "
            f"its way: try again later, or name a mirror with {MIRROR}."
        )


def _open(url: str, timeout_s: float) -> http.client.HTTPResponse:
    try:
        return urllib.request.urlopen(url, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= 500 or error.code in WORTH_REPEATING:
                raise _Transient(f"the server answered {error.code} {error.reason}") from error
        raise DownloadError(
            f"could not download {url}: the server answered {error.code} {error.reason}; the file "
            f"may have moved: name a mirror with {MIRROR}, or put the file in place by hand."
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _Transient(str(getattr(error, "reason", error))) from error


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except (http.client.HTTPException, OSError) as error:
        raise _Transient(f"the connection was cut ({error})") from error
