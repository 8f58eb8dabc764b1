"""What Prosody, Jicofo, bridges, Jibri and Jigasi say of their classic troubles, each with its cause and what mends it.

Collected from the reports of those who run them (github.com/jitsi: docker-jitsi-meet, jicofo, jitsi-videobridge,
jitsi-meet), and from the programs' sources.
"""

from __future__ import annotations

from herd.core.symptom import Symptom

_AGAIN = "herd restart prosody"

_ACCOUNT = Symptom(
    r"SASLError.*not-authorized|cannot log in: not-authorized",
    "Prosody does not know the account, or by another password",
    f"give all of them the same again: {_AGAIN}",
)
_UNTRUSTED = Symptom(
    r"PKIX path|SSLHandshakeException|No subject alternative DNS name|handshake_failure|cannot be trusted",
    "the certificate that Prosody shows is not the one that was to be trusted, or not for its name",
    f"have it taken over by all: {_AGAIN}; where it is yours, look at it: herd check prosody",
)
_FOREIGN_ROOM = Symptom(
    r"No bridge detector configured|Communication with remote domains is not enabled|Failed to create room",
    "the room is not on this Prosody, or none is named: something in `extra` says otherwise than [jitsi]",
    "remove brewery-jid, muc_jids and domains from extra",
)
_RESTRICTED = Symptom(
    r"Room creation is restricted|Failed to join the MUCs",
    "Prosody did not let it into the room; a bridge never tries that again while it is connected",
    "restart it; if it stays outside, see who may make rooms: admins in [prosody] extra",
)
_MEMORY = Symptom(
    r"OutOfMemoryError|Could not reserve enough space|insufficient memory|Cannot allocate memory",
    "there is not the memory that it was promised",
    "set a smaller memory = … (MiB) in its table, or use fewer services on this machine",
)
_PORT = Symptom(
    r"Failed to bind|Address already in use|BindException|Failed to open server port|on no ports",
    "another program has its port",
    "end that, or choose another port in its table; who it is: herd check, with the service's name",
)
_PROSODY_GONE = Symptom(
    r"Connection refused|does not answer",
    "nothing answers where Prosody should be",
    "see: herd why prosody; of a Prosody elsewhere, look at address, port and the network",
)

OF_PROSODY = (
    _PORT,
    Symptom(
        r"Unable to load module '[^']*'",
        "a module that its configuration names is not there; Prosody runs on without it",
        "install Debian's prosody-modules, or leave it out of extra in [prosody]",
    ),
    Symptom(
        r"No certificate present|SSL/TLS: Error|Error initialising tls|sslv3 alert handshake failure",
        "it has no certificate for a host, or cannot read it",
        "have it made or taken over again: herd restart prosody",
    ),
    Symptom(
        r"Danger, Will Robinson|[Uu]nable to (?:lock|create) pidfile|Prosody is already running",
        "it was started as root, or twice",
        "leave that to herd: end the other one (systemctl disable --now prosody)",
    ),
    Symptom(r"host-unknown", "it does not serve the domain", "correct domain in [jitsi]"),
    _ACCOUNT,
    _UNTRUSTED,
)
OF_JICOFO = (
    _ACCOUNT,
    _FOREIGN_ROOM,
    _UNTRUSTED,
    _MEMORY,
    _PORT,
    Symptom(
        r"no operational bridges|No operational bridges",
        "no bridge can be used, without which no conference of three begins",
        "see: herd status jvb, and herd check jvb",
    ),
    Symptom(
        r"focus is not in the room",
        "it is alive, and stays outside of the room after it lost its connection",
        "herd restart jicofo",
    ),
    _PROSODY_GONE,
)
OF_JVB = (
    _ACCOUNT,
    _FOREIGN_ROOM,
    _RESTRICTED,
    _UNTRUSTED,
    Symptom(
        r"No valid IP addresses|require-valid-address",
        "it finds no address by which the world reaches it",
        "name them in [[jvb]]: public-address and local-address",
    ),
    Symptom(
        r"Failed to bind single-port|No single-port harvesters|has UDP port",
        "another program has its UDP port, or it has no address but the loopback one",
        "end that, or choose another udp-port in [[jvb]]",
    ),
    _MEMORY,
    _PORT,
    Symptom(
        r"dcsctp4j|DcSctpOptions",
        "its native library cannot be loaded: nobody can join, though its health is good",
        "install the package of its release for this machine's architecture anew",
    ),
    _PROSODY_GONE,
)
OF_JIBRI = (
    _ACCOUNT,
    _UNTRUSTED,
    Symptom(
        r"SessionNotCreated|Timed out waiting for driver server to start|Chrome failed to start|Chrome hung",
        "its browser cannot be started",
        "install google-chrome or chromium, and the chromedriver of the same release",
    ),
    Symptom(
        r"[Cc]annot open display|Ffmpeg failed to start",
        "there is no screen to record",
        "start it: systemctl enable --now jibri-xorg jibri-icewm; or correct display in [jibri]",
    ),
    Symptom(
        r"Unable to write to |Recordings directory is not writable",
        "its user cannot write where recordings are put",
        "give recordings in [jibri] to its user, or name another directory",
    ),
    _MEMORY,
    _PORT,
    _PROSODY_GONE,
)
OF_JIGASI = (
    _ACCOUNT,
    _UNTRUSTED,
    Symptom(
        r"RegistrationState=(?:Authentication|Connection) Failed",
        "its provider of telephony does not answer, or does not know the account by that password",
        "correct sip-uri, sip-server and sip-password-file in [jigasi]",
    ),
    _MEMORY,
    _PORT,
    _PROSODY_GONE,
)
