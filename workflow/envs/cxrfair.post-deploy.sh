#!/usr/bin/env bash
# Conda copies the environment file elsewhere, where `-e .` would mean nothing: add the package here.
set -euo pipefail
pip install --no-deps -e "$PWD"
