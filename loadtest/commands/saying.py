"""What commands say of their progress: lines on standard error, so that standard output is theirs alone who read it."""

from __future__ import annotations

import typer


def say(text: str) -> None:
    """Print a line on standard error, at once."""
    typer.echo(text, err=True)
