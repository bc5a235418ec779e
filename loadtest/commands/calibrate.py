"""`loadtest calibrate`: how fast the generator is here, against a broker that costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write it as JSON; - prints it.")
    ] = None,
) -> None:
    """Measure in ten seconds what the generator can do here, so that runs can tell its limit from the broker's."""
    from loadtest.calibration.command import calibrate as measure_and_keep

    measure_and_keep(json_file)
