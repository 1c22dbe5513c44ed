#!/usr/bin/env bash
# Installs what building, testing and running pyro needs and this machine lacks. Does nothing,
# quickly, when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

node_wanted=20.19.0
# Fetched only where Go is older than agent/go.mod wants and cannot fetch its successor by itself,
# as Debian 12's.
go_fetched=1.26.8
cache_dir=${PYRO_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pyro-mcp}

# Debian leaves these out of an ordinary user's PATH, and mke2fs is there.
PATH=$PATH:/usr/sbin:/sbin

main() {
  require_node
  install_packages
  if ! agent_can_be_built; then fetch_go; fi
  install_node_modules
}

say() { echo "[setup] $*"; }

fail() {
  echo "[error] $*" >&2
  exit 1
}

require_node() {
  command -v node >/dev/null || fail "node is not in PATH: install Node.js $node_wanted or newer, then run this again"
  local found
  found=$(node -p process.versions.node)
  if [[ $(printf '%s\n' "$node_wanted" "$found" | sort -V | head -n 1) != "$node_wanted" ]]; then
    fail "Node.js $found is too old: install $node_wanted or newer, then run this again"
  fi
}

# Each line: Debian package, the program or file it is wanted for, why.
needed_packages() {
  cat <<'LIST'
qemu-system-x86         qemu-system-x86_64                               runs the virtual machines
qemu-utils              qemu-img                                         makes their disks
mmdebstrap              mmdebstrap                                       builds environments from Debian packages
debian-archive-keyring  /usr/share/keyrings/debian-archive-keyring.gpg   checks the signatures of those packages
e2fsprogs               mke2fs                                           makes root images
uidmap                  newuidmap                                        lets an ordinary user do that
util-linux              setpriv                                          ends virtual machines with their owner
ca-certificates         /etc/ssl/certs/ca-certificates.crt               lets downloads be trusted
LIST
  if ! agent_can_be_built; then
    echo "golang-go               go                                               builds the guest agent"
  fi
}

install_packages() {
  local missing=() package provides why
  while read -r package provides why; do
    if [[ -e $provides ]] || command -v "$provides" >/dev/null; then continue; fi
    missing+=("$package")
    say "needs $package: $why"
  done < <(needed_packages)
  if ((${#missing[@]} == 0)); then return; fi

  local as_root=()
  if ((EUID != 0)); then as_root=(sudo); fi
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}")
  command -v apt-get >/dev/null ||
    fail "this is not a Debian system: install what it calls the Debian packages ${missing[*]}, then run this again"
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    fail "neither root nor sudo: have an administrator run \`apt-get install ${missing[*]}\`, then run this again"
  fi
  say "installing: ${install[*]}"
  "${as_root[@]}" apt-get update --quiet
  "${install[@]}"
}

agent_can_be_built() { scripts/agent-go.sh version >/dev/null 2>&1; }

# A Go toolchain is a Go module too, so an old Go can download and verify a new one, only not unpack
# it ready for use.
fetch_go() {
  local wanted toolchains_dir work_dir arch module
  wanted=$(sed -n 's/^go //p' agent/go.mod)
  toolchains_dir=$cache_dir/go-toolchain
  say "the guest agent needs Go $wanted, this machine has $(go env GOVERSION): fetching Go $go_fetched into $toolchains_dir"

  mkdir -p "$toolchains_dir"
  work_dir=$(mktemp -d "$toolchains_dir/.fetch.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "chmod -R u+w '$work_dir'; rm -rf '$work_dir'" EXIT
  arch=$(go env GOARCH)
  module=golang.org/toolchain@v0.0.1-go$go_fetched.linux-$arch
  (cd "$work_dir" && GOTOOLCHAIN=local GOFLAGS=-modcacherw GOMODCACHE=$work_dir go mod download "$module") ||
    fail "cannot fetch Go $go_fetched: check the network, or install Go $wanted or newer, then run this again"
  # Modules are stored without execute permission.
  chmod -R u+x "$work_dir/$module/bin" "$work_dir/$module/pkg/tool"
  mv -T "$work_dir/$module" "$toolchains_dir/go$go_fetched"
}

install_node_modules() {
  # npm writes this file when it has finished.
  if [[ -e node_modules/.package-lock.json && ! package-lock.json -nt node_modules/.package-lock.json ]]; then return; fi
  say "installing the development dependencies of package-lock.json into node_modules"
  npm ci --ignore-scripts --no-audit --no-fund
}

main
