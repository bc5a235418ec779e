"""The options of `loadtest capacity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SearchedScenario = Annotated[str | None, typer.Argument(help="Name of a scenario of the catalogue, or a file.")]
Slo = Annotated[list[str] | None, typer.Option(metavar="CHECK", help="What has to hold, as a threshold; repeatable.")]
Start = Annotated[str | None, typer.Option("--from", metavar="RATE", help="The first rate, such as 1000/s.")]
Most = Annotated[str | None, typer.Option("--most", metavar="RATE", help="No rate above it is tried.")]
Hold = Annotated[str, typer.Option(help="How long each rate is held; in the ramp less.")]
Precision = Annotated[float, typer.Option(min=0.1, max=50, help="In percent of the answer.")]
Repeats = Annotated[int, typer.Option(min=1, help="How often the answer must be held, the first included.")]
Resume = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of a search that was interrupted.")]
