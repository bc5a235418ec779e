#!/usr/bin/env bash
#
# Writes requirements.lock and requirements-dev.lock anew: the newest versions that pyproject.toml allows, with the hashes of
# their files and no address of where they come from, for every Python from 3.11 and every platform at once.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
    .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml "$@"
}

compile --group build --output-file requirements.lock
compile --group dev --constraints requirements.lock --output-file requirements-dev.lock
git diff --stat -- requirements.lock requirements-dev.lock
