#!/usr/bin/env bash
# limits.sh KB COMMAND...: runs COMMAND with KB of lockable memory and without CAP_IPC_LOCK, as a plain user would.
set -u
ulimit -l "$1" 2>/dev/null || {
    [ "$(ulimit -l)" != unlimited ] && [ "$(ulimit -l)" -lt "$1" ] &&
        echo "limits.sh: only $(ulimit -l) KiB of lockable memory here instead of $1"
}
shift
if [ "$(id -u)" = 0 ]; then
    exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock -- "$@"
fi
exec "$@"
