#!/bin/sh
# armed: whether the router is armed. Sets the `fields` of its arming (see arm.sh), and the seconds that are `left`
# until it goes back; 0 where it should have.
armed() {
    [ -s "$WAY_BACK/state" ] || return
    line=$(head -c 1000 "$WAY_BACK/state" 2>/dev/null) || return
    fields=${line% * *}
    until=${line#"$fields "}
    read -r up _ < /proc/uptime
    # Since its start the router counts from 0 again; its time was over with its start.
    if [ "${until#* }" = "$(started)" ]; then left=$((${until% *} - ${up%%.*})); else left=0; fi
    if [ "$left" -lt 0 ]; then left=0; fi
}

# way_back: `armed`, the fields and the seconds; or `back`, the fields of the last arming, the cause and the time, and a
# line `problem …` for each part that was not restored.
way_back() {
    if armed; then echo "armed $fields $left"; fi
    if [ -f "$WENT_BACK" ]; then head -c 4000 "$WENT_BACK"; fi
}
