"""The proxy's process: commands come in and answers go out as JSON, one a line; it ends when its input does."""

from __future__ import annotations

from loadtest.broker.proxy.proxy_commands import main

if __name__ == "__main__":
    main()
