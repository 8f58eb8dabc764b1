"""What coturn says of its classic troubles: it lives on with all of them, so each is read from what it prints.

Words: coturn 4.6.1, and the reports of those who run it (github.com/coturn/coturn).
"""

from __future__ import annotations

from herd.core.symptom import Symptom

OF_COTURN = (
    Symptom(
        r"bind: Address already in use",
        "another program has its port, and it tries again for ever",
        "end that, or choose another port or tls-port in [coturn]; who it is: herd check coturn",
    ),
    Symptom(
        r"bind: Permission denied",
        "its user may not have a port below 1024",
        "choose a higher port in [coturn], or let everybody have them: sysctl net.ipv4.ip_unprivileged_port_start",
    ),
    Symptom(
        r"bind: Cannot assign requested address",
        "this machine has not the address that it shall listen on",
        "correct interfaces in [coturn]",
    ),
    Symptom(
        r"cannot start TLS and DTLS listeners|cannot find (?:certificate|private key) file",
        "it cannot read its certificate, and serves without encryption",
        "have it taken over again: herd restart coturn; where it is yours, look at certificate and key",
    ),
    Symptom(
        r"it refuses a password made of the secret",
        "its secret is not the one that passwords are made of",
        "herd restart coturn; leave static-auth-secret out of extra",
    ),
    Symptom(
        r"no available ports|Cannot create socket|error 508",
        "all ports for relays are taken",
        "give it more of them: min-port and max-port in [coturn]",
    ),
)
