"""The Varlink interface as text: what clients read, and the names that daemon/methods.py answers to.

Only what both varlinkctl 257 and the varlink package of PyPI parse is used. Names once given are never reused.
"""

VARLINK_SERVICE = """\
# The Varlink service interface is provided by every varlink service.
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
"""

SUPERVISOR = """\
# The supervisor herdd. Times are microseconds since the epoch unless said otherwise.
# Whoever has no role may call nothing of it, and is told NotAllowed.
interface org.herdctl.Supervisor

type Service (
  # The canonical name.
  name: string,
  status: (stopped, starting, running, stopping),
  # Stopped because its last start failed.
  failing: bool,
  enabled: bool,
  # The last change of status.
  sinceUSec: int,
  mainPid: ?int,
  # Where a start under way is.
  stage: ?string,
  # Where the last start failed: requirement, preparation, execution, readiness, setup; respawn: it failed too often.
  failedStage: ?string,
  # Why it is not running, where nobody asked for that.
  reason: ?string,
  # How its last process ended.
  exitCode: ?int,
  exitSignal: ?int,
  exitUSec: ?int,
  # Since the last stop that was asked for.
  respawns: int,
  # From now.
  respawnInUSec: ?int,
  # When a timer's program runs next.
  nextRunUSec: ?int,
  # Its names, the canonical one first.
  provision: []string,
  # What it requires, as its definition names it.
  requirement: []string,
  # The canonical names of what requires it directly.
  dependents: []string,
  command: []string,
  # What can be asked of it beside the general actions.
  actions: []string,
  documentation: string,
  # It runs, but not all of it.
  warnings: []string,
  # What the last health check said; null: well, or never asked.
  health: ?string,
  # Of all its processes together; null where nobody looked. A page that several share counts once.
  memoryBytes: ?int,
  # Since they began.
  cpuUSec: ?int,
  processes: ?int,
  # Where its processes listen: 0.0.0.0:80, [::]:64738/udp, /run/web/socket, @abstract.
  listening: []string,
  # Lines of output that could not be kept.
  lostLines: int,
  oneShot: bool,
  # A one-shot whose last run ended well.
  done: bool,
  # It is forgotten once it has stopped.
  transient: bool,
  # It starts with herdd.
  autoStart: bool,
  # Another definition waits for the next start.
  hasReplacement: bool,
  # Its process was started by an earlier herdd.
  adopted: bool,
  # What the service tells of itself while it runs, by names that it chooses; of people, to moderators and admins only.
  notes: [string]string
)

# A line of a log that was merged from those of several services.
type Entry (service: string, line: string)

type Candidate (word: string, note: string)

# Every service, or the one that provides the name.
method Status(service: ?string) -> (services: []Service)

# What follows on this connection is asked for somebody elsewhere: with no more than that role (observer, moderator or
# admin), and with no files of this host but the descriptors of the calling process. Nothing takes it back. The person
# is noted beside the user that calls.
method Represent(role: string, person: ?string) -> ()

# Any action, as the command herd asks for it; without a service that of herdd itself, root.
# With 'more', replies with progress come before the one with the result.
# [Supports 'more' flag]
method Perform(action: string, service: ?string, arguments: ?[]string) -> (
  progress: ?string,
  result: ?object,
  # What herd prints on standard output.
  text: ?string,
  # What it prints in place of the text where a person looks at it.
  drawing: ?string,
  # What it prints on standard error.
  warnings: ?[]string,
  exitStatus: ?int
)

# Every service as it is, then each change.
# [Requires 'more' flag]
method Watch(service: ?string) -> (service: Service)

# The last lines of a service's log, with their time stamps if they have some; with follow and 'more' also those to
# come.
# Without a service it is herdd's own, root. Several services, or all with root, are merged by the time stamps, and
# come as entries, with no lines. With sinceUSec none is older, and all that are not come unless lines says how many;
# that is no question for a log that is kept without time stamps. With audit it is the log of who did what, whose lines
# are a time stamp and a JSON object.
# [Supports 'more' flag]
method Log(
  service: ?string,
  services: ?[]string,
  all: ?bool,
  audit: ?bool,
  lines: ?int,
  sinceUSec: ?int,
  follow: ?bool
) -> (
  lines: []string,
  entries: ?[]Entry
)

# What the last word of a command line of herd could become, and what tells people more of it. With files it is the name
# of a file of the caller's.
method Complete(words: []string) -> (candidates: []Candidate, files: bool)

error CannotDo (message: string)
error WrongUsage (message: string)
error NoSuchService (message: string)
error NoSuchAction (message: string)
error NotAllowed (message: string)
error SecretWanted (message: string, prompt: string, option: string)
error StartFailed (message: string)
"""
