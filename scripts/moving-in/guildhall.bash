# Sourced by the scripts that move people in from the real other system: a fresh Guildhall with a SQLite database.
set -euo pipefail
binary=$(realpath "${1:?usage: $0 BINARY}") work=$(mktemp -d) database=0 service='' started=()
finish() {
  for id in $service "${started[@]}"; do kill "$id" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

debian() { # PACKAGE...
  dpkg-query -W -f '${Status}\n' "$@" 2>/dev/null | grep -c '^install ok installed' | grep -qx $# && return
  apt-get update -q >/dev/null && apt-get install -qy --no-install-recommends "$@" >/dev/null
}

# mariadb_runs starts a MariaDB that only its socket leads to.
mariadb_runs() {
  socket=$work/mariadb.sock
  mariadb-install-db --no-defaults --user="$(id -un)" --auth-root-authentication-method=normal --skip-test-db --datadir="$work/mariadb" >"$work/mariadb.log" 2>&1
  mariadbd --no-defaults --user="$(id -un)" --datadir="$work/mariadb" --socket="$socket" --skip-networking >>"$work/mariadb.log" 2>&1 &
  started+=($!)
  for _ in $(seq 100); do
    mariadb --no-defaults --socket="$socket" -u root -e 'CREATE DATABASE IF NOT EXISTS old CHARACTER SET utf8mb4' 2>/dev/null && return
    sleep 0.2
  done
  cat "$work/mariadb.log"
  exit 1
}

# queried runs a query as the pages do it with mysql.
queried() { mariadb --no-defaults --socket="$socket" -u root --default-character-set=utf8mb4 --batch --raw --skip-column-names -e "$1" old; }

guildhall() { # ARGUMENT...
  (cd "$work" && exec env ENVIRONMENT=development DATABASE_URL="sqlite://$work/guildhall$database.db" PORT=0 "$binary" "$@")
}

# moves_in imports into an empty database, and starts the service on it. Nothing may be refused.
moves_in() { # ARGUMENT...
  [ -z "$service" ] || { kill "$service" && wait "$service" || true; }
  service='' database=$((database + 1))
  guildhall import people --strict "$@" | tee "$work/report"
  guildhall >"$work/log" 2>&1 &
  service=$! base=
  for _ in $(seq 100); do
    base=$(sed -nE 's/.*(listens on |"address":")(http:\/\/)?([^" ]+).*/http:\/\/\3/p' "$work/log" | head -n 1)
    [ -z "$base" ] || return 0
    sleep 0.1
  done
  cat "$work/log"
  exit 1
}

# log_in_is fails unless a log-in has this answer: a status, and text in it.
log_in_is() { # STATUS TEXT EMAIL PASSWORD
  local status
  status=$(curl -sS -o "$work/answer" -w '%{http_code}' --data-urlencode "username=$3" --data-urlencode "password=$4" "$base/api/v1/auth/token")
  if [ "$status" != "$1" ] || ! grep -qF "$2" "$work/answer"; then
    echo "a log-in of $3 is answered with $status: $(cat "$work/answer")"
    exit 1
  fi
}

logs_in() { # EMAIL PASSWORD: and not with another password
  log_in_is 401 'is wrong' "$1" "not $2"
  log_in_is 200 access_token "$1" "$2"
}

# has fails unless an export of the people has a text.
has() { # TEXT
  guildhall export people -o - >"$work/people.jsonl" 2>/dev/null
  grep -qF -- "$1" "$work/people.jsonl" || { echo "not there: $1"; cat "$work/people.jsonl"; exit 1; }
}
