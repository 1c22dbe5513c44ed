#!/usr/bin/env bash
# Runs `go` in agent/ with the first toolchain that can build it: the one on PATH, or the one that
# setup.sh fetched.
set -euo pipefail
cd "$(dirname "$0")/../agent"

cache_dir=${PYRO_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pyro-mcp}
export CGO_ENABLED=0

for go in go "$cache_dir"/go-toolchain/*/bin/go; do
  # Fails when go.mod wants a newer Go than this one is or may switch to.
  if "$go" list -m >/dev/null 2>&1; then
    exec "$go" "$@"
  fi
done

wanted=$(sed -n 's/^go //p' go.mod)
echo "[error] no Go toolchain that can build the guest agent (Go $wanted or newer); run \`make setup\`" >&2
exit 1
