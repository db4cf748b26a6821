#!/usr/bin/env bash
# Puts `matano` on the PATH of a GitHub runner: the released binary for its architecture, its checksum and attestation
# verified, or a build from the action's own source where the ref has no release.
#
#   install.sh resolve    says which version, and where it will stand (outputs: version, directory, key)
#   install.sh install    fetches what is not in that directory, verifies it, and extends the PATH
#
# Environment: ACTION_PATH, ACTION_REPOSITORY, ACTION_REF, INPUT_VERSION, GH_TOKEN and the runner's own.
set -euo pipefail

fail() {
  printf '::error title=matano::%s\n' "$1"
  exit 3
}

# The target triple that releases are named by.
target() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo x86_64-unknown-linux-gnu ;;
    Linux-aarch64 | Linux-arm64) echo aarch64-unknown-linux-gnu ;;
    Darwin-x86_64) echo x86_64-apple-darwin ;;
    Darwin-arm64) echo aarch64-apple-darwin ;;
    *) fail "there is no release for $(uname -s) on $(uname -m): use a Linux or macOS runner on x86-64 or arm64" ;;
  esac
}

# The version in the source that the ref stands for.
source_version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' "$ACTION_PATH/Cargo.toml" | head -n 1
}

# The release to use, or `source`.
version() {
  local wanted="${INPUT_VERSION#v}" ref="${ACTION_REF:-}"
  if [ -n "$wanted" ]; then
    echo "$wanted"
  elif [[ "$ref" =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]]; then
    echo "${ref#v}"
  elif [[ "$ref" =~ ^[0-9a-f]{40}$ ]] && released "$(source_version)"; then
    # pinned by commit: the release of the version in that commit, if its attestation names that very commit
    source_version
  else
    echo source
  fi
}

address() {
  echo "${GITHUB_SERVER_URL:-https://github.com}/$ACTION_REPOSITORY/releases/download/v$1"
}

released() {
  curl --silent --show-error --fail --location --head --retry 3 --output /dev/null "$(address "$1")/SHA256SUMS" 2>/dev/null
}

sha256=(sha256sum)
command -v sha256sum >/dev/null || sha256=(shasum -a 256)

# A digest of the action's own files: what a build from source is a build of, whatever its ref is called.
source_digest() {
  (
    cd "$ACTION_PATH"
    find . -type f ! -path './.git/*' ! -path './target/*' -print0 | LC_ALL=C sort -z |
      xargs -0 "${sha256[@]}" | "${sha256[@]}" | cut -c 1-32
  )
}

# What is installed, and so the name of its directory and of its cache: a release by its version, a build by its source.
installed() {
  local version="$1"
  if [ "$version" = source ]; then
    version="source-$(source_digest)"
  fi
  echo "$version-$(target)"
}

directory() {
  echo "${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:?}}/matano/$1"
}

resolve() {
  local version name
  version="$(version)"
  name="$(installed "$version")"
  {
    echo "version=$version"
    echo "directory=$(directory "$name")"
    echo "key=matano-$name"
  } >>"${GITHUB_OUTPUT:?}"
}

# Downloads the release into a directory. What is there already stays.
fetch() {
  local version="$1" archive="$2" directory="$3" file
  for file in "$archive" SHA256SUMS; do
    [ -f "$directory/$file" ] && continue
    curl --silent --show-error --fail --location --retry 3 --output "$directory/$file.part" "$(address "$version")/$file" ||
      fail "$(address "$version")/$file cannot be fetched: is there a release v$version? use \`version: source\` to build it"
    mv "$directory/$file.part" "$directory/$file"
  done
}

# Every time, also after the cache: what is run was built by this repository's release workflow.
verify() {
  local archive="$1" directory="$2" wanted found
  wanted="$(awk -v name="$archive" '$2 == name { print $1 }' "$directory/SHA256SUMS")"
  [ -n "$wanted" ] || fail "SHA256SUMS of the release does not name $archive"
  found="$("${sha256[@]}" "$directory/$archive")"
  if [ "${found%% *}" != "$wanted" ]; then
    rm -f "$directory/$archive" "$directory/SHA256SUMS"
    fail "$archive has the checksum ${found%% *}, expected $wanted: it was removed and is not run"
  fi
  command -v gh >/dev/null || fail "the GitHub CLI is needed to verify where $archive was built: install gh, or use \`version: source\`"
  local claims=(--repo "$ACTION_REPOSITORY" --signer-workflow "$ACTION_REPOSITORY/.github/workflows/release.yml")
  if [[ "${ACTION_REF:-}" =~ ^[0-9a-f]{40}$ ]] && [ -z "$INPUT_VERSION" ]; then
    claims+=(--source-digest "$ACTION_REF")
  fi
  if ! gh attestation verify "$directory/$archive" "${claims[@]}" >"$directory/attestation.txt" 2>&1; then
    cat "$directory/attestation.txt"
    rm -f "$directory/$archive" "$directory/SHA256SUMS"
    fail "the attestation of $archive does not hold: it was removed and is not run"
  fi
}

build() {
  local directory="$1"
  command -v cargo >/dev/null || fail "there is no release for ${ACTION_REF:-this ref}, and no cargo to build it: use a tagged version"
  echo "::notice title=matano::there is no release for ${ACTION_REF:-this ref}: building from source, which takes some minutes"
  local target="${CARGO_TARGET_DIR:-$directory/build}"
  cargo build --release --locked --manifest-path "$ACTION_PATH/Cargo.toml" --target-dir "$target" -p operator -p detect
  mkdir -p "$directory/bin"
  cp "$target/release/matano" "$directory/bin/"
  cp "$target/release/libdetect".* "$directory/bin/" 2>/dev/null || true
  rm -rf "$directory/build" "$directory/bin/libdetect.d"
}

install() {
  local version directory archive
  version="$(version)"
  directory="$(directory "$(installed "$version")")"
  mkdir -p "$directory"
  if [ "$version" = source ]; then
    [ -x "$directory/bin/matano" ] || build "$directory"
  else
    archive="matano-$version-$(target).tar.gz"
    fetch "$version" "$archive" "$directory"
    verify "$archive" "$directory"
    rm -rf "$directory/bin"
    mkdir -p "$directory/bin"
    tar -xzf "$directory/$archive" -C "$directory/bin" --strip-components 1
  fi
  "$directory/bin/matano" --version
  echo "$directory/bin" >>"${GITHUB_PATH:?}"
}

: "${INPUT_VERSION:=}"
case "${1:-}" in
  resolve) resolve ;;
  install) install ;;
  *) fail "usage: install.sh resolve|install" ;;
esac
