#!/bin/sh
# Bring what the examples need into a folder: onnxruntime's C++ headers and json.hpp from Debian, JavaScript packages
# from npm. Nothing is installed on the system. Needs apt-get, dpkg-deb, npm.
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
example=$(cd "$(dirname "$0")/../examples/javascript" && pwd)

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/javascript"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
    > "$folder/apt/sources.list"
private() {
    apt-get -qq -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" \
        -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}
private update
(cd "$folder/apt" && private download libonnxruntime-dev nlohmann-json3-dev)
for package in "$folder"/apt/*.deb; do dpkg-deb -x "$package" "$folder/cpp"; done

cp "$example"/package.json "$folder/javascript/"
# Without this the install script fetches libraries for CUDA from elsewhere.
(cd "$folder/javascript" && ONNXRUNTIME_NODE_INSTALL=skip npm install --no-fund --no-audit --silent)
