#!/usr/bin/env bash
# Installs the MCP clients that test/clients drives, in exactly these versions and only once,
# outside the checkout, and Debian's browser.
#   install-clients.sh                install what is missing
#   install-clients.sh --print-paths  print where each is or would be, tab-separated
set -euo pipefail

root=${XDG_CACHE_HOME:-$HOME/.cache}/pyro-mcp-dev
browser=/usr/bin/chromium-headless-shell
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac

# Each line: a set that is installed by itself, and its packages. The conformance suite needs a
# newer Node.js than pyro does.
sets() {
  cat <<LIST
clients      @anthropic-ai/claude-code@2.1.330 @openai/codex@0.169.0 opencode-ai@1.18.33
inspector    @modelcontextprotocol/inspector@0.15.0
conformance  @modelcontextprotocol/conformance@0.1.16 node-linux-$arch@22.23.3
LIST
}

main() {
  if [[ ${1:-} == --install ]]; then
    install_set "${@:2}"
    return
  fi
  local name packages dir status=0
  while read -r name packages; do
    dir=$root/$name-$(sha256sum <<<"$packages" | cut -c 1-12)
    if [[ ${1:-} == --print-paths ]]; then
      printf '%s\t%s\n' "$name" "$dir"
    elif [[ ! -e $dir ]]; then
      # One that cannot be installed does not keep the others from it. A process of its own, because
      # what stands before || goes on after errors.
      # shellcheck disable=SC2086 # several words
      "$0" --install "$dir" $packages || status=1
    fi
  done < <(sets)
  if [[ ${1:-} == --print-paths ]]; then
    printf 'browser\t%s\n' "$browser"
  elif [[ ! -e $browser ]]; then
    install_browser || status=1
  fi
  return "$status"
}

install_browser() {
  local as_root=()
  if ((EUID != 0)); then as_root=(sudo); fi
  echo "[install-clients] installing ${browser##*/}" >&2
  "${as_root[@]}" apt-get update --quiet >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${browser##*/}" >&2
}

install_set() {
  local dir=$1 packages=("${@:2}") staging script
  echo "[install-clients] installing ${packages[*]} into $dir" >&2
  mkdir -p "$root"
  staging=$(mktemp -d "$dir.install.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$staging'" EXIT
  echo '{ "private": true }' >"$staging/package.json"
  # Newer versions of npm run no install scripts; two of these packages put their program in place
  # with one.
  (cd "$staging" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error "${packages[@]}" >&2)
  for script in @anthropic-ai/claude-code/install.cjs opencode-ai/postinstall.mjs; do
    script=$staging/node_modules/$script
    if [[ -e $script ]]; then (cd "${script%/*}" && node "$script" >&2); fi
  done
  # A faster process has installed the same.
  mv -T "$staging" "$dir" || [[ -e $dir ]]
}

main "$@"
