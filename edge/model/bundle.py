"""A bundle, the folder that a model comes in: its bytes are read once, checked, and those bytes are used."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.durable import write_folder
from edge.errors import BundleError
from edge.model.manifest import File, Manifest, text
from edge.model.tables import MANIFEST
from edge.model.versions import resolve
from edge.table import read_table

MAX_MANIFEST_BYTES = 1024 * 1024
MAX_BUNDLE_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory. `files` are exactly the bytes that the manifest's digests are of.

    `digest` (sha256 of the manifest, hexadecimal) stands for all of them.
    """

    folder: Path
    manifest: Manifest
    source: bytes
    files: Mapping[str, bytes]
    digest: str

    @property
    def model_path(self) -> Path:
        """What complaints about the model call it; about a bundle without a network, the manifest."""
        return self.folder / (self.manifest.model or MANIFEST)


def load(folder: Path) -> Bundle:
    """Read a bundle, of a shelf the active one, and check every byte of it.

    Nothing of it is run: see `verify` for that. Raises `BundleError` that names the file, and the key.
    """
    folder = resolve(folder)
    if not folder.is_dir():
        raise BundleError(
            f"{folder}: there is no such bundle; teach one with 'edge teach', or copy its folder here"
        )
    source = _read(folder / MANIFEST, MAX_MANIFEST_BYTES)
    manifest = _manifest(folder, source)
    _check_sizes(folder, manifest)
    files = {name: _read_exactly(folder / name, file) for name, file in manifest.files.items()}
    return _bundle(folder, manifest, source, files)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in that folder, no shelf; the files are not looked at. Raises `BundleError`."""
    return _manifest(folder, _read(folder / MANIFEST, MAX_MANIFEST_BYTES))


def assemble(folder: Path, source: bytes, files: Mapping[str, bytes]) -> Bundle:
    """A bundle from bytes that lie, or would lie, in `folder`: checked like one that is loaded.

    Raises `BundleError`.
    """
    manifest = _manifest(folder, source)
    for name, file in manifest.files.items():
        if name not in files:
            raise BundleError(f"{folder / name}: is missing; copy the bundle again")
        _check(folder / name, files[name], file)
    return _bundle(folder, manifest, source, files)


def described(files: Mapping[str, bytes]) -> dict[str, File]:
    """What the manifest says of these files."""
    return {
        name: File(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        for name, content in files.items()
    }


def write(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Put a bundle on the disk, in a folder that is not there yet: all of it or, whatever happens, nothing.

    Raises `BundleError`.
    """
    bundle = assemble(folder, text(manifest).encode(), files)
    if folder.exists():
        raise BundleError(f"{folder}: exists already; choose another folder")
    try:
        write_folder(folder, {**bundle.files, MANIFEST: bundle.source})
    except OSError as err:
        raise BundleError(f"{folder}: cannot be written: {err.strerror or err}") from err
    return bundle


def _bundle(folder: Path, manifest: Manifest, source: bytes, files: Mapping[str, bytes]) -> Bundle:
    return Bundle(folder, manifest, source, files, hashlib.sha256(source).hexdigest())


def _manifest(folder: Path, source: bytes) -> Manifest:
    path = folder / MANIFEST
    try:
        return read_table(Manifest, source.decode(), path, BundleError)
    except UnicodeDecodeError as err:
        raise BundleError(f"{path}: is not UTF-8 text (byte {err.start}); copy the bundle again") from err


def _check_sizes(folder: Path, manifest: Manifest) -> None:
    total_bytes = sum(file.size_bytes for file in manifest.files.values())
    if total_bytes > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"{folder / MANIFEST}: files: {total_bytes / 1e6:.0f} MB together;"
            f" a bundle has {MAX_BUNDLE_BYTES / 1e6:.0f} MB at most"
        )


def _read_exactly(path: Path, file: File) -> bytes:
    content = _read(path, file.size_bytes)
    _check(path, content, file)
    return content


def _check(path: Path, content: bytes, file: File) -> None:
    if len(content) < file.size_bytes:
        raise BundleError(
            f"{path}: is cut off at {len(content)} of {file.size_bytes} bytes; copy the bundle again"
        )
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise BundleError(f"{path}: was changed or damaged (its sha256 differs); copy the bundle again")


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError as err:
        raise BundleError(f"{path}: is missing; copy the bundle again") from err
    except OSError as err:
        raise BundleError(f"{path}: cannot be read: {err.strerror or err}") from err
    if len(content) > most_bytes:
        raise BundleError(f"{path}: is longer than {most_bytes} bytes; copy the bundle again")
    return content
