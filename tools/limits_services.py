"""The services of limits_inside.py: small programs of Debian's own Perl, Python and shell."""

from __future__ import annotations

# nested: a program of root's that makes groups of its own, as containers' do.
CONFIGURATION = """
[service.steady]
command = ["/bin/sleep", "infinity"]
user = "nobody"

[limits.steady]
tasks-max = 5

[service.hidden]
command = ["/usr/bin/python3", "/etc/herd/hidden.py"]
user = "nobody"
ready = { line = "ready" }

[limits.hidden]
memory-max = "64MiB"
cpu-weight = 50
tasks-max = 10

[service.many]
command = ["/usr/bin/perl", "-e", '$| = 1; for (1 .. 30) { fork() // next or sleep } print "ready\\n"; sleep']
ready = { line = "ready" }

[limits.many]
tasks-max = 8

[service.busy]
command = ["/bin/sh", "-c", "while :; do :; done"]

[limits.busy]
cpu-quota = "20%"

[service.nested]
command = ["/bin/sh", "/etc/herd/nested.sh"]
ready = { line = "ready" }

[service.greedy]
command = ["/usr/bin/python3", "-c", "import time; kept = bytearray(2**28); time.sleep(1e9)"]
auto-start = false
respawn = false

[limits.greedy]
memory-max = "32MiB"
"""
# 40 MiB, and a child with neither herdd's mark nor a parent of the service, nor its session.
HIDDEN = """
import os, subprocess, sys, time
kept = b"x" * (40 * 2**20)
child = '''import os, time
os.setsid()
if pid := os.fork():
    print(pid, flush=True)
    os._exit(0)
time.sleep(1e9)'''
subprocess.Popen([sys.executable, "-c", child], env={}).wait()
print("ready", flush=True)
time.sleep(1e9)
"""
NESTED = """
cd /sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup) && mkdir own own/inner || exit
echo $$ >own/inner/cgroup.procs && echo +pids >cgroup.subtree_control && echo +pids >own/cgroup.subtree_control || exit
echo ready
exec sleep infinity
"""
OWN_CONFIGURATION = """
[service.steady]
command = ["/bin/sleep", "infinity"]

[limits.steady]
memory-max = "16MiB"
"""
