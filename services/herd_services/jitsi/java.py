"""What the programs' Java is told: options on the command line, and how much to log.

jicofo.sh and jvb.sh put $JAVA_SYS_PROPS on Java's command line without quotes: everybody sees it, the shell splits it.
"""

from __future__ import annotations

import re
from pathlib import Path

# Java wants one. It protects nothing: the store has certificates in it, which everybody may read.
TRUST_PASSWORD = "changeit"
# What a shell does not leave alone where there are no quotes.
_SPLIT = re.compile(r"[\s*?\[\\]")


def java_properties(file: Path, trust_store: Path, logging: Path) -> str:
    """The value of JAVA_SYS_PROPS. Raises ValueError for a path that the scripts would tear apart."""
    properties = {
        "config.file": file,
        "javax.net.ssl.trustStore": trust_store,
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": TRUST_PASSWORD,
        "java.util.logging.config.file": logging,
    }
    for each in (file, trust_store, logging):
        if _SPLIT.search(str(each)):
            raise ValueError(f"{str(each)!r} cannot be given to Java; take one without blanks, * ? [ and \\")
    return " ".join(f"-D{name}={value}" for name, value in properties.items())


def logging_properties(level: str) -> bytes:
    """logging.properties: messages from this level of java.util.logging on, to standard error, in their form."""
    lines = (
        "handlers=java.util.logging.ConsoleHandler",
        "java.util.logging.ConsoleHandler.level=ALL",
        "java.util.logging.ConsoleHandler.formatter=org.jitsi.utils.logging2.JitsiLogFormatter",
        f".level={level}",
    )
    return "".join(f"{line}\n" for line in lines).encode()
