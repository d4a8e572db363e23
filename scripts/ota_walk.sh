#!/usr/bin/env bash
# From a bundle to a device that updates itself, on this machine alone. docs/updates.md walks through it.
#
#   scripts/ota_walk.sh BUNDLE PACK FOLDER
#
#   BUNDLE  the folder that `edgecl export` wrote, with at least one pack in its packs/
#   PACK    another pack for it, of another task, which arrives at the device later
#   FOLDER  an empty folder for the keys, the repository and the device
set -euo pipefail

[ $# -eq 3 ] || { sed -n '4,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
bundle=$(realpath "$1") pack=$(realpath "$2")
mkdir -p "$3"
cd "$3"

# For a walk only: at home the passphrase is asked for, and the root keys are kept apart from this machine.
export EDGECL_KEY_PASSWORD=${EDGECL_KEY_PASSWORD:-"five words for this walk"}

say() { printf '\n# %s\n' "$1"; }
run() { printf '$ %s\n' "$*"; "$@"; }

say "1. Keys: three for the root, one to delegate, one to release, one that stays online."
run edgecl keys new keys

say "2. A repository of static files. Its first root is what devices trust."
run edgecl repo init repo --keys keys

say "3. Release the backbone and the packs beside it."
run edgecl repo add repo "$bundle" --keys keys

say "4. Any web server will do."
printf '$ python3 -m http.server --directory repo &\n'
python3 -u -m http.server 0 --bind 127.0.0.1 --directory repo > server.log 2>&1 &
trap 'kill $! 2>/dev/null' EXIT
until port=$(grep -om1 'port [0-9]*' server.log); do sleep 0.1; done
address=http://127.0.0.1:${port#port }

say "5. A device is told once where its repository is and whom to trust, and updates itself."
run edgecl-device update --repository "$address" --root repo/metadata/1.root.json --store device
run edgecl-device update --store device

say "6. One more task: release its pack, and the device has it with its next update."
run edgecl repo add repo "$pack" --keys keys
run edgecl-device update --store device
run edgecl-device list device

say "7. It turns out to be bad: withdraw it, and every device leaves it."
released=$(basename "$pack" .ecpack)
run edgecl repo withdraw repo "$released" --keys keys
run edgecl-device update --store device

say "8. It was a false alarm. This time the device takes it from a drive; it still has every byte of it."
run edgecl repo withdraw repo "$released" --undo --keys keys
run edgecl repo usb repo drive
run edgecl-device install drive --store device

say "9. How the device stands, and the units that update it every hour."
run edgecl-device status --store device
run edgecl-device service --store device
