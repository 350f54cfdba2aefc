#!/bin/sh
# Build an image from Debian's MySQL packages. Usage: mysql-from-debian.sh IMAGE PACKAGE
#
# The mirror is the one of the machine's own apt configuration: mmdebstrap takes it from there.
set -eu
image=$1 package=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

# MySQL 9.7 is in Debian's unstable suite. Its Release file is good for a week, and a mirror that stands still, or a clock
# that is ahead, makes it read as expired: that is passed over for this source alone, whose signature is still verified.
# shellcheck disable=SC2016 # the hooks expand their own $1
allow_expired='
    sed -i -e "s/^deb \[/deb [check-valid-until=no /" -e t -e "s/^deb /deb [check-valid-until=no] /" "$1/etc/apt/sources.list"
    grep -q "^deb \[check-valid-until=no" "$1/etc/apt/sources.list"'
# procps and iproute2 are what verification asks about processes and sockets.
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=apt \
    --setup-hook="$allow_expired" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$package",procps,iproute2 \
    --customize-hook='chroot "$1" apt-get clean' \
    unstable "$scratch/root.tar"
docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'EXPOSE 3306' "$scratch/root.tar" "$image"
