#!/bin/sh
# A unit by which an armed router goes back early in its next boot, whatever has become of its boot files by then: an
# apply may have written them in part, or have removed them. It stands for itself, and no pattern of files that
# tunnelwright owns has its name.
way_back_unit=/etc/systemd/system/tunnelwright.way-back.service
way_back_link=/etc/systemd/system/sysinit.target.wants/${way_back_unit##*/}

# go_back_at_boot: puts it there, on the disk. Nothing else has to know of it before the next boot.
go_back_at_boot() {
    [ -d /run/systemd/system ] || return 0
    mkdir -p "${way_back_link%/*}"
    (
        umask 022
        printf '%s\n' '[Unit]' \
            'Description=tunnelwright: goes back from a change that was not confirmed' \
            'DefaultDependencies=no' \
            'Conflicts=shutdown.target' \
            'After=nftables.service systemd-sysctl.service' \
            'Before=tunnelwright-guard.service network-pre.target shutdown.target' \
            'Before=strongswan.service strongswan-starter.service' \
            'Wants=network-pre.target' \
            "RequiresMountsFor=$WAY_BACK" \
            "ConditionPathExists=$WAY_BACK/state" \
            '[Service]' \
            'Type=oneshot' \
            "ExecStart=/bin/sh $WAY_BACK/go-back restart" > "$way_back_unit"
    )
    sync "$way_back_unit"
    ln -sf "$way_back_unit" "$way_back_link"
    sync "${way_back_link%/*}" "${way_back_unit%/*}"
}

# not_at_boot: takes it away again.
not_at_boot() { rm -f "$way_back_link" "$way_back_unit"; }
