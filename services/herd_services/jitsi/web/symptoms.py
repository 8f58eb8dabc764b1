"""What nginx says of its classic troubles (core/symptom.py). Texts: its sources, 1.22."""

from __future__ import annotations

from herd.core.symptom import Symptom

OF_NGINX = (
    Symptom(
        r"bind\(\) to \S+ failed \(98|has port \d+",
        "another program has its port",
        "end that (systemctl disable --now nginx apache2), or choose another port in [nginx]",
    ),
    Symptom(
        r"cannot load certificate|SSL_CTX_use_PrivateKey|cannot use the certificate|PEM_read_bio",
        "its certificate or key is of no use",
        "have it taken over again: herd restart nginx; where it is yours, correct certificate and key",
    ),
    Symptom(
        r"upstream: \"http://127\.0\.0\.1:\d+/(?:http-bind|xmpp-websocket)|it answers 50\d to /(?:http-bind|xmpp-web)",
        "Prosody does not answer it",
        "see: herd check prosody",
    ),
    Symptom(
        r"upstream: \"http://127\.0\.0\.1:\d+/conference-request|it answers 50\d to /conference-request",
        "Jicofo does not answer it",
        "see: herd check jicofo",
    ),
    Symptom(
        r"upstream: \"http://127\.0\.0\.1:\d+/colibri-ws|it answers 50\d to /colibri-ws",
        "a bridge does not answer it",
        "see: herd status jvb, and herd check jvb",
    ),
    Symptom(
        r"(?:open\(\)|stat\(\)) .* failed \(13: Permission denied\)|it answers 403",
        "its user may not read the files of the page",
        "let everybody read the directory `static` of [nginx], and pass through those above it",
    ),
    Symptom(
        r"unknown directive|directive is not allowed here|invalid number of arguments|directive is duplicate",
        "a directive in extra of [nginx] is none, or is in the wrong place",
        "correct or remove it",
    ),
)
