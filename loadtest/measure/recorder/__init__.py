"""Where a worker's clients record what happens, until the next window is made of it."""
