"""
Locust's own program, as `loadtest run --processes` becomes it: by its command line alone.

`loadtest run` heeds neither Locust's configuration files (`~/.locust.conf`, `locust.conf`, `pyproject.toml`) nor its
variables (`headless_run` hands none on), over one process or several; `locust -f loadtest/main.py` heeds both.
"""

from __future__ import annotations

import sys
from typing import Any

from locust import main as locust_main
from locust.argument_parser import LocustArgumentParser


def main() -> None:
    """Run Locust; does not return."""
    make: Any = LocustArgumentParser.__init__

    def make_without_files(parser: LocustArgumentParser, *args: Any, **options: Any) -> None:
        make(parser, *args, **{**options, "default_config_files": ()})

    setattr(LocustArgumentParser, "__init__", make_without_files)  # noqa: B010  # it is what mypy takes
    run_locust: Any = locust_main.main
    sys.exit(run_locust())


if __name__ == "__main__":
    main()
