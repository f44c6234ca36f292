# private-apt.sh, to be sourced.  private_apt ARCHITECTURE FOLDER: from here on apt works on lists and a cache of its own in FOLDER, with
# this machine's sources: needs no root, and does not touch dpkg's architectures.
private_apt() {
    local architecture=$1 apt=$2
    rm -rf "$apt"
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    : >"$apt/status"
    cat >"$apt/apt.conf" <<CONF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
CONF
    export APT_CONFIG=$apt/apt.conf

    # A source that lacks the architecture (other software beside Debian) may be unreachable or empty: what counts is that the
    # packages come.
    apt-get update -q || echo "private-apt.sh: some sources failed; going on"
}
