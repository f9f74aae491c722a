# Sourced by the scripts in deploy/: where things are, and how to speak.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/.tools

# Tools we installed come first: what else is on PATH was missing or too old.
export PATH="$tools/bin:$PATH"

# The SQL macros compile from what is committed in .sqlx, whatever database the caller's shell names.
export SQLX_OFFLINE=true
unset DATABASE_URL SQLX_OFFLINE_DIR

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE MORE...: ends with the code in die_with, else 1.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit "${die_with:-1}"
}

# answer_help "$@": whoever asks for help gets what stands at the head of the script, and nothing is done.
answer_help() {
  case "${1:-}" in
    -h | --help) sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0" && exit ;;
  esac
}

have() { command -v "$1" >/dev/null 2>&1; }

# version_ge 2.15.1 2.10: whether the first version is at least the second.
version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# first_version: the first thing on standard input that looks like a version.
first_version() { grep -Eo '[0-9]+(\.[0-9]+)+' | head -n 1; }

# quietly LOG COMMAND...: runs it with its output in a file, which is shown only if it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    return 1
  fi
}
