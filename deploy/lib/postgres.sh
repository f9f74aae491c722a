# Sourced: a private PostgreSQL server in a temporary folder, for the life of the script.
# shellcheck shell=bash

# The server refuses to run as root; then it runs as the user that owns nothing.
as_server_user() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"
  else
    "$@"
  fi
}

free_port() {
  need_python
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# private_postgres: sets pg_url (a superuser, no database named) and pg_bin.
private_postgres() {
  local port
  need_postgres
  pg_bin=$(postgres_bin)
  pg_dir=$(mktemp -d)
  trap stop_private_postgres EXIT
  chmod 755 "$pg_dir"
  [ "$(id -u)" != 0 ] || chown nobody "$pg_dir"
  port=$(free_port)
  pg_url=postgres://postgres@127.0.0.1:$port
  quietly "$root/target/deploy/initdb.log" as_server_user \
    "$pg_bin/initdb" -D "$pg_dir/data" -U postgres -A trust -E UTF8 --no-locale --no-sync \
    || die "initdb failed"
  quietly "$root/target/deploy/pg_ctl.log" as_server_user \
    "$pg_bin/pg_ctl" -D "$pg_dir/data" -l "$pg_dir/log" -w start \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off" \
    || die "the private PostgreSQL did not start"
}

stop_private_postgres() {
  as_server_user "$pg_bin/pg_ctl" -D "$pg_dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$pg_dir"
}

# run_sql DATABASE [psql arguments...]
run_sql() {
  local database=$1
  shift
  "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -o /dev/null "$pg_url/$database" "$@"
}
