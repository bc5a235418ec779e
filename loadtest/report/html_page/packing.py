"""
What the page carries packed: the charts' data, and the library that draws them.

Deflated, the page is a third as long. The browser unpacks them (DecompressionStream, in all browsers since May 2023).
Knows nothing of what it packs.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import cache
from importlib import resources
from typing import Any, Final

LIBRARY: Final = "echarts-6.1.0.min.js"
_LEVEL: Final = 6
"""Of zlib: the level above takes half as long again for half a percent less."""


def packed(text: str) -> str:
    """Return *text* as UTF-8, raw deflate, base64: what a script element may hold, whatever was in it."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(text.encode()) + deflate.flush()).decode("ascii")


def packed_json(value: Any) -> str:
    """Return *value* as JSON, packed."""
    return packed(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


@cache
def packed_library() -> str:
    """Return the chart library, packed."""
    return packed(asset("vendor", LIBRARY))


def asset(*names: str) -> str:
    """Return a file that lies beside this one."""
    return resources.files(__package__).joinpath(*names).read_text(encoding="utf-8")
