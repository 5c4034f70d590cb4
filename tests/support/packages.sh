#!/bin/sh
# Installs Debian's packages that some tests run against, where this is root on a machine with apt-get. Those tests are skipped
# without them; that a package is absent fails nothing. CARILLON_TEST_PACKAGES=no leaves the machine as it is.
set -eu

if [ "${CARILLON_TEST_PACKAGES:-yes}" = no ]; then
    exit 0
fi

apt() {
    limit=$(command -v timeout >/dev/null 2>&1 && echo "timeout 300" || true)
    # shellcheck disable=SC2086 # the limit is two words or none
    DEBIAN_FRONTEND=noninteractive $limit apt-get -qq -y -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
        -o Acquire::https::Timeout=20 -o DPkg::Lock::Timeout=60 "$@" </dev/null >/dev/null 2>&1
}
there() { # a pattern that matches a file of the package
    for found in $1; do
        [ -e "$found" ] && return 0
    done
    return 1
}
has_looked=no
want() { # a package, and a pattern of a file it brings
    if there "$2"; then
        echo "$1: installed already"
        return
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "$1: not installed (that takes root and apt-get), its tests will be skipped"
        return
    fi
    if ! apt install --no-install-recommends "$1" && [ "$has_looked" = no ]; then
        has_looked=yes
        apt update && apt install --no-install-recommends "$1" || true
    fi
    if there "$2"; then
        echo "$1: installed"
    else
        echo "$1: not installed (apt-get did not bring the package), its tests will be skipped"
    fi
}
want rabbitmq-server "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
want postgresql "/usr/lib/postgresql/*/bin/postgres"
want mariadb-server-core "/usr/sbin/mariadbd"
want prometheus "/usr/bin/promtool"
want chromium "/usr/bin/chromium"
want fonts-dejavu-core "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
