"""
Where a calibration is kept: a file in the user's cache, valid for the machine and the versions that it was made with.

A figure of another machine, or of another version of what it rests on, is worse than none: it is not found then.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from loadtest.broker.monitor.fingerprint import generator_fingerprint
from loadtest.errors import ResultsError

SCHEMA: Final = "loadtest.calibration/1"
"""Version of the file. History: 1: first version."""

_MACHINE: Final = ("host", "cpu", "cores", "python")
_VERSIONS: Final = ("loadtest", "pika", "gevent", "numpy", "locust")

Json = dict[str, Any]


def calibration_path(environ: Mapping[str, str]) -> Path:
    """Return the file: in XDG_CACHE_HOME, else in ~/.cache (XDG Base Directory Specification)."""
    cache = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(cache) / "loadtest" / "calibration.json"


def key_of(generator: Mapping[str, Any]) -> Json:
    """Return what a calibration is valid for, of the generator's fingerprint."""
    versions = generator.get("versions") or {}
    return {name: generator.get(name) for name in _MACHINE} | {name: versions.get(name) for name in _VERSIONS}


def load_calibration(path: Path, generator: Mapping[str, Any]) -> Json | None:
    """Return `measured_at` and `works` of the calibration at *path*; None if there is none that holds here."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA or stored.get("key") != key_of(generator):
        return None
    return {"measured_at": stored.get("measured_at"), "works": stored.get("works")}


def save_calibration(path: Path, generator: Mapping[str, Any], measured_at: str, works: Mapping[str, Json]) -> Json:
    """
    Write a calibration, for this user alone, whole or not at all, and return it.

    Raises:
        ResultsError: If it cannot be written.
    """
    document = {"schema": SCHEMA, "key": key_of(generator), "measured_at": measured_at, "works": dict(works)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)  # of mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
        Path(name).replace(path)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written: {error.strerror}") from error
    return document


def calibrated_generator(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what is known of this machine, with what the generator can do on it, where that was measured."""
    known = generator_fingerprint()
    return known | {"calibration": load_calibration(calibration_path(environ), known)}
