"""`scenario.yaml`: the scenario as it ran, to be run again. A comment says so where secrets in it were replaced."""

from __future__ import annotations

from typing import Final

from loadtest.redaction import REDACTED
from loadtest.result.run.document import ScenarioPart

FILE_NAME: Final = "scenario.yaml"

_NOTE: Final = f"# Secrets in this file were replaced by {REDACTED}: put them back before you run it again.\n"


def scenario_yaml(scenario: ScenarioPart) -> str:
    """Return the text of the file."""
    text = scenario.text if scenario.text.endswith("\n") else f"{scenario.text}\n"
    return f"{_NOTE}{text}" if REDACTED in text else text
