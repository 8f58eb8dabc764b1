"""How the actions that are always there are used: what `herd status --help` prints, without a herdd that runs."""

from __future__ import annotations

# By action: the words that follow it, what it does as herdd says it, an example.
USAGES = {
    "status": ("[SERVICE]", "Say how the service is; exit status 3 unless it is running.", "status jami"),
    "why": ("[SERVICE]", "Say what led to how the service is, and what would mend it.", "why jami"),
    "start": ("[SERVICE]", "Start the service and what it requires.", "start jami"),
    "stop": ("[SERVICE]", "Stop the service, first those that require it.", "stop jami"),
    "restart": ("[SERVICE]", "Stop the service and start it and what had required it.", "restart jami"),
    "enable": ("[SERVICE]", "Let the service start again.", "enable jami"),
    "disable": ("[SERVICE]", "Let the service neither start nor respawn; a running one runs on.", "disable jami"),
    "doc": (
        "[SERVICE] [WORD] [ACTION]",
        "Describe the service, with list-actions its actions, with an action's name that action.",
        "doc jami ban-contact",
    ),
    "log": (
        "[-f] [-n NUMBER] [--since WHEN] [--all] [SERVICE]...",
        "Print the last lines of its log, those of several services merged.",
        "log jami mumble --since 2h",
    ),
    "watch": ("[SERVICE]", "Print how the service is, then each change, until interrupted.", "watch jami"),
    "audit": (
        "[-f] [-n NUMBER] [--since WHEN]",
        "Print who did what, who did not succeed, and who was refused.",
        "audit --since 2d",
    ),
    "reload": (
        "root [--dry-run] [--no-restart]",
        "Read the configuration again and carry out what is new in it, restarting what changed; "
        "with --dry-run only say so, with --no-restart let what changed wait for its next start.",
        "reload root --dry-run",
    ),
    "upgrade": ("root", "Execute herdd anew, in a new version perhaps; every service runs on.", "upgrade root"),
    "graph": ("root", "Print who requires whom, for Graphviz; on a terminal as a drawing.", "graph root"),
    "analyze": (
        "root [--svg]",
        "Say how long the services took to start, and what the last one waited for; --svg draws it.",
        "analyze root --svg > start.svg",
    ),
    "ban": (
        "root NAME [--reason TEXT] [--for DURATION] [--dry-run]",
        "Ban a person of the configuration, [person.NAME], from every server that runs here.",
        "ban root alice --for 7d --reason noise",
    ),
    "unban": (
        "root NAME [--reason TEXT] [--dry-run]",
        "Lift the bans of a person, [person.NAME], on every server that runs here.",
        "unban root alice",
    ),
    "bans": ("root", "List who is banned from which server, by whom, why and until when.", "bans"),
}


def usage_of(words: list[str]) -> str | None:
    """How the action of the words is used; None for one of a service's own, of which herdd alone can tell."""
    action, service = words[0], words[1] if len(words) > 1 else "root"
    if action not in USAGES:
        return None
    usage, sentence, example = USAGES[action]
    if usage.startswith("root") and service != "root":
        return None
    return f"Usage: herd {action} {usage}\n\n  {sentence}\n\nExample:\n  herd {example}\n\nSee herd(1).\n"
