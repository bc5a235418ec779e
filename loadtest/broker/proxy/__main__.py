"""The proxy's process: orders come in and answers go out as JSON, one a line; it ends when its input does."""

from __future__ import annotations

from loadtest.broker.proxy.orders import main

if __name__ == "__main__":
    main()
