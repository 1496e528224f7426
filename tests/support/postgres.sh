# SPDX-License-Identifier: Apache-2.0
# A PostgreSQL of the test's own, on a unix socket in a temporary folder. To be
# read by a shell script:
#
#     . tests/support/postgres.sh
#     postgres_start FOLDER       FOLDER/socket is its host, test its database
#     postgres_sql < FILE
#     postgres_stop [fast|immediate]
#     postgres_continue           what was stopped, with its data
#
# What a script has open as 3 is not handed to the server.
#
# The server refuses to run as root: then it runs as "postgres" or "nobody".

postgres_bin() {
    for folder in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin; do
        [ -x "$folder/initdb" ] && found=$folder
    done
    [ -n "${found-}" ] || found=$(dirname "$(command -v initdb)")
    echo "$found"
}

postgres_as() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid="$postgres_user" --regid="$postgres_group" \
            --clear-groups env HOME="$postgres_folder" "$@"
    else
        "$@"
    fi
}

postgres_continue() {
    postgres_as "$(postgres_bin)/pg_ctl" -w -t 60 -s -D "$postgres_folder/data" \
        -l "$postgres_folder/log" start >/dev/null 3>&- || {
        tail -n 20 "$postgres_folder/log" >&2
        return 1
    }
}

postgres_start() {
    postgres_folder=$1
    postgres_user=nobody
    getent passwd postgres >/dev/null && postgres_user=postgres
    postgres_group=$(id -gn "$postgres_user")
    mkdir -p "$postgres_folder/socket"
    if [ "$(id -u)" = 0 ]; then
        chown -R "$postgres_user" "$postgres_folder"
        chmod 755 "$postgres_folder"
    fi
    postgres_as "$(postgres_bin)/initdb" -D "$postgres_folder/data" -A trust \
        -U tester -E UTF8 --locale=C.UTF-8 --no-sync >"$postgres_folder/init" || {
        cat "$postgres_folder/init" >&2
        return 1
    }
    cat >>"$postgres_folder/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$postgres_folder/socket'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 40
END
    postgres_continue
    "$(postgres_bin)/createdb" -h "$postgres_folder/socket" -U tester test
    postgres_conninfo="host=$postgres_folder/socket user=tester dbname=test"
}

postgres_sql() {
    "$(postgres_bin)/psql" -q -v ON_ERROR_STOP=1 "$postgres_conninfo" "$@" >/dev/null
}

postgres_stop() {
    postgres_as "$(postgres_bin)/pg_ctl" -w -s -D "$postgres_folder/data" \
        -m "${1-immediate}" stop >/dev/null 2>&1 || true
}
