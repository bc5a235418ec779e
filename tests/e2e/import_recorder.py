"""
Runs a module as a program and records its imports: `import_recorder.py FILE MODULE ARG...`.

FILE gets a JSON object when the program ends: the name of each module in `sys.modules`, and the chain of what asked for
it, the program first. A chain is of those importing at that moment, so it names the function that imports late.
"""

from __future__ import annotations

import atexit
import json
import runpy
import sys
from pathlib import Path
from types import FrameType
from typing import Final


class Recorder:
    """A finder of modules that finds none, and remembers who looked for one first."""

    def __init__(self) -> None:
        self.chains: dict[str, list[str]] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Note who looks for *name*, and leave it to the finders behind."""
        self.chains.setdefault(name, _importers(sys._getframe(1)))


def _importers(frame: FrameType | None) -> list[str]:
    """Return the modules, and functions in them, that a frame was reached through; without Python's own and this."""
    found: list[str] = []
    while frame is not None:
        module, function = frame.f_globals.get("__name__", "?"), frame.f_code.co_name
        place = str(module) if function == "<module>" else f"{module}:{function}"
        is_ours = frame.f_code.co_filename.startswith("<frozen") or frame.f_code.co_filename == __file__
        if not is_ours and place not in found[-1:]:
            found.append(place)
        frame = frame.f_back
    return found[::-1]


def main(file: Path, module: str) -> None:
    """Run *module* with the arguments that are left, and write what was imported."""
    recorder: Final = Recorder()

    def write() -> None:
        file.write_text(json.dumps({name: recorder.chains.get(name, []) for name in sys.modules}))

    sys.meta_path.insert(0, recorder)
    atexit.register(write)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    main(Path(sys.argv.pop(0)).absolute(), sys.argv[0])
