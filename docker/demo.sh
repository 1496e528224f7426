#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kafka, three bridges, a model server and a generator in Docker, until Ctrl-C;
# `script/demo --compose` calls it. The images are built first. Words are
# environment variables of compose.yaml, such as KAFKA_IMAGE=…
set -eu
cd "$(dirname "$0")"
for word; do
    case $word in
    [A-Z]*=*) export "$word" ;;
    *)
        echo "demo: found $word; wanted NAME=VALUE of docker/compose.yaml" >&2
        exit 64
        ;;
    esac
done
if docker compose version >/dev/null 2>&1; then
    compose="docker compose"
elif command -v docker-compose >/dev/null; then
    compose=docker-compose
else
    echo "demo: found no docker compose; wanted it installed" >&2
    exit 69
fi
docker info >/dev/null 2>&1 || {
    echo "demo: no Docker daemon answers; wanted one that \`docker info\` reaches" >&2
    exit 69
}
compose="$compose -p kabridge-demo -f compose.yaml"
trap '$compose down -v' EXIT
trap 'exit 130' INT TERM
$compose build topics bridge
$compose up -d --no-build --scale bridge="${BRIDGES:-3}"
bridges=$($compose ps -q bridge)
echo
for name in $bridges; do
    port=$(docker port "$name" 9464/tcp | head -n 1)
    echo "bridge at http://$port/ (a page; also /metrics, /status, /ready)"
done
echo "Ctrl-C ends it all; until then, what the first bridge does:"
first=$(echo "$bridges" | head -n 1)
while docker exec "$first" kabridge top --once; do
    sleep 2
done
