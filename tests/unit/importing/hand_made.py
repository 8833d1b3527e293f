"""A configuration of strongSwan as a person writes it."""

KEY = "PLANTED \\ 'key' # é"
HAND_MADE = """\
connections {
    net-net {
        version = 2
        local_addrs = 203.0.113.10
        remote_addrs = 198.51.100.7
        proposals = aes256-sha256-modp2048
        local { auth = psk
            id = site-a.example
        }
        remote { auth = psk
            id = vpn@site-x.example
        }
        children {
            net {
                local_ts = 10.1.0.0/24
                remote_ts = 172.16.0.0/16, 172.18.0.0/16
                esp_proposals = aes256gcm16-ecp384
                start_action = start
            }
        }
    }
}
secrets {
    ike-x {
        id = vpn@site-x.example
        secret = 0sUExBTlRFRA==
    }
}
"""
