"""herd.toml with everything wrong that can be: each mistake in its place, with what would be right, all at once."""

from __future__ import annotations

import math
import subprocess
import tomllib
from pathlib import Path

import pytest

from herd.core.action import TAKEN_NAMES
from herd.core.errors import ConfigurationError
from herd.core.limits import Limits
from herd.core.readiness import OutputLine
from herd.core.role import Role
from herd.core.service import Service, Surroundings
from herd.daemon import config, exposure
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.verbs import VERBS
from support import HERDD, PATIENCE, herdd, program, short_directory

SURROUNDINGS = Surroundings(
    Path("/var/lib/herd"), Path("/run/herd-services"), Path("/var/log/herd"), "root", is_root=True
)
GOOD = "A" * 40
NO_URL = "is no URL that can be asked; one is written http://HOST[:PORT]/PATH, or https://"
NO_LIMIT = "is no limit; one is a number, SOFT:HARD or unlimited"
TOO_SOFT = "is above the hard limit; write SOFT:HARD, the lower one first"


def read(text: str) -> tuple[Service, ...]:
    return read_all(text).services


def read_all(text: str) -> config.Configuration:
    return config.read(tomllib.loads(text), SURROUNDINGS, config.Installed())


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return caught.value.problems


def test_a_right_one() -> None:
    (service,) = read(
        """
        [service.web]
        command = ["/usr/bin/web", "--port", "80"]
        aliases = ["http"]
        ready = { line = "listening" }
        start-timeout = 5
        respawn = false
        environment = {A = "1"}
        directory = "/srv"
        """
    )
    assert service.provision == ("web", "http")
    assert service.program.command == ("/usr/bin/web", "--port", "80")
    assert service.program.directory == Path("/srv")
    assert (service.start_timeout, service.respawn, service.readiness) == (5.0, None, OutputLine("listening"))


def test_an_empty_one_has_no_services() -> None:
    assert read("") == ()


def test_every_mistake_at_once() -> None:
    text = f"""
        jammi = 3
        [jami]
        auto-anwser = true
        debug = 1
        health-interval = -1
        account = [{{ moderators = ["nobody", "{GOOD}"], rendezvous-point = "yes" }}]
        [service.a]
        command = "ls"
        grace-period = -1
        [service.b]
        command = []
        start-timeout = 0
        requirement = ["a", "jami", "webb"]
        [service.web]
        command = ["x"]
        requirement = ["datbase"]
        [service.database]
        command = ["x"]
        aliases = ["web"]
        requirement = ["web"]
        """
    assert sorted(problems(text)) == sorted(
        [
            "cannot read [jammi]: there is no such table; did you mean jami?",
            "cannot read [jami]: unknown key auto-anwser; did you mean auto-answer?",
            "cannot read [jami] debug: 1 is not true or false",
            "cannot read [jami] health-interval: it must be > 0: -1.0",
            "cannot read [jami] account[0].archive: this key is missing",
            "cannot read [jami] account[0].moderators: 'nobody' is no fingerprint; one is 40 hexadecimal digits",
            'cannot read [jami] account[0].rendezvous-point: "yes" is not true or false',
            'cannot read [service.a] command: "ls" is not a list in brackets',
            "cannot read [service.a] grace-period: it must be >= 0: -1.0",
            "cannot read [service.b] command: its length must be >= 1: 0",
            "cannot read [service.b] start-timeout: it must be > 0: 0.0",
            "cannot register database: the name web is web's already; choose another",
            "cannot start web: it requires datbase, which no service provides; did you mean database?",
        ]
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("auto-start = 1", "auto-start: 1 is not true or false"),
        ('auto-start = "yes"', 'auto-start: "yes" is not true or false'),
        ("start-timeout = true", "start-timeout: true is not a number"),
        ('start-timeout = "5"', 'start-timeout: "5" is not a number'),
        ("start-timeout = nan", "start-timeout: it must be > 0: nan"),
        ("documentation = 5", "documentation: 5 is not a text in quotes"),
        ("documentation = 1979-05-27", 'documentation: "1979-05-27" is not a text in quotes'),
        ('requirement = "web"', 'requirement: "web" is not a list in brackets'),
        ("requirement = [1]", "requirement[0]: 1 is not a text in quotes"),
        ('directory = "srv"', 'directory: "srv" is not an absolute path in quotes'),
        ('environment = "A=1"', 'environment: "A=1" is not a table in braces'),
        ('ready = { http = "ftp://a/" }', f"ready.http: 'ftp://a/' {NO_URL}"),
        ('ready = { http = "https://" }', f"ready.http: 'https://' {NO_URL}"),
        ('health = { http = "http://a:b/" }', f"health.http: 'http://a:b/' {NO_URL}"),
        ('resource-limits = {nofile = "20:10"}', f"resource-limits: the soft limit 20 of nofile {TOO_SOFT}"),
        ('resource-limits = {core = "unlimited:0"}', f"resource-limits: the soft limit unlimited of core {TOO_SOFT}"),
        ('resource-limits = {core = "1:"}', f"resource-limits: '' {NO_LIMIT}"),
        ('resource-limits = {core = "-1"}', f"resource-limits: '-1' {NO_LIMIT}"),
        (f'resource-limits = {{core = "{2**63}"}}', f"resource-limits: '{2**63}' {NO_LIMIT}"),
        ("environment = {A = 1}", "environment['A']: 1 is not a text in quotes"),
        ('documentation = ["a @ b"]', 'documentation: ["a @ b"] is not a text in quotes'),
    ],
)
def test_wrong_types(line: str, problem: str) -> None:
    assert problems(f'[service.web]\ncommand = ["x"]\n{line}') == [f"cannot read [service.web] {problem}"]


def test_how_logs_are_kept() -> None:
    assert read_all("").log == LogPolicy(size=10 * 1024**2, age=7 * 86400, keep=5, compress=True, time_stamps=True)
    text = '[log]\nsize = "1GiB"\nage = "1d 12h"\nkeep = 0\ncompress = false\ntime-stamps = false'
    assert read_all(text).log == LogPolicy(1024**3, 36 * 3600, 0, compress=False, time_stamps=False)
    assert read_all('[log]\nsize = 4096\nage = "never"').log == LogPolicy(4096, math.inf)
    assert read_all("[log]\nage = 90").log.age == 90
    services = read(program("web", "x", log_time_stamps=False) + program("db", "x"))
    assert [service.log_time_stamps for service in services] == [False, None]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            'size = "10MB"',
            "size: '10MB' is no size; write a number with KiB, MiB or GiB behind it, or a number of bytes",
        ),
        ("size = 1.5", "size: 1.5 is no size; one is a text such as '10MiB', or a whole number of bytes"),
        ("size = true", "size: true is no size; one is a text such as '10MiB', or a whole number of bytes"),
        ("size = 0", "size: it must be > 0: 0"),
        ('age = "0s"', "age: '0s' is no duration to wait for; it is longer than nothing and at most 36525d"),
        ("age = nan", "age: it must be > 0: nan"),
        ("age = []", "age: [] is no age; one is a text such as '7d', 'never', or a number of seconds"),
        ("keep = -1", "keep: it must be >= 0: -1"),
        ("compress = 1", "compress: 1 is not true or false"),
        ("sise = 1", "unknown key sise; did you mean size?"),
    ],
)
def test_how_logs_cannot_be_kept(line: str, problem: str) -> None:
    place = "cannot read [log]:" if problem.startswith("unknown") else "cannot read [log]"
    assert problems(f"[log]\n{line}") == [f"{place} {problem}"]


def test_the_table_of_logs_is_known_by_its_name() -> None:
    assert problems("log = 3") == ["cannot read [log]: it is a table, written with a heading of its own"]
    assert problems("[logs]") == ["cannot read [logs]: there is no such table; did you mean log?"]


def test_no_two_logs_are_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    real, link = tmp_path / "real", tmp_path / "link"
    tables = [
        program("a", "x", log_file=f"{real}/a.log"),
        program("b", "x", log_file=f"{link}/../link/a.log"),
        program("c", "x", log_file=f"{real}/missing/../a.log.2"),
        program("d", "x", log_file=f"{real}/a.log.7.gz"),
        program("e", "x", log_file=f"{real}/a.log", log=False),
        program("f", "x"),
        program("g", "x", log_file="/var/log/herd/f.log"),
        program("h", "x", log_file="/var/log/herd/./root.log"),
        program("i", "x", log_file="/var/log/herd/root.log.1"),
        program("j", "x", log_file=f"{real}/a.log.0"),
        # Where that one's log is, nobody can tell.
        program("k", "x", log_file="relative"),
        program("l", "x", log_file="/var/log/herd/k.log"),
    ]
    assert sorted(problems("".join(tables))) == [
        f"cannot keep the log of b in {real}/a.log: there is the log of a; choose another log-file",
        f"cannot keep the log of c in {real}/a.log.2: there go older lines of the log of a; choose another log-file",
        f"cannot keep the log of d in {real}/a.log.7.gz: there go older lines of the log of a; choose another log-file",
        "cannot keep the log of g in /var/log/herd/f.log: there is the log of f; choose another log-file",
        "cannot keep the log of h in /var/log/herd/root.log: there is herdd's own log, root; choose another log-file",
        "cannot keep the log of i in /var/log/herd/root.log.1: "
        "there go older lines of herdd's own log, root; choose another log-file",
        'cannot read [service.k] log-file: "relative" is not an absolute path in quotes',
    ]


@pytest.mark.parametrize("text", ["service = 3", "service = []", "[service]\ncommand = ['x']", "[[service]]\na = 1"])
def test_services_have_names(text: str) -> None:
    assert problems(text) == ["cannot read [service]: it is written as [service.NAME]"]


def test_a_section_is_a_table() -> None:
    assert problems("jami = 3") == ["cannot read [jami]: it is a table, written with a heading of its own"]


def test_keys_that_resemble_none_are_answered_with_those_there_are() -> None:
    (problem,) = problems('[service.web]\ncommand = ["x"]\nzzz = 1')
    assert problem.startswith("cannot read [service.web]: unknown key zzz; the keys are: command, aliases, ")


@pytest.mark.parametrize("name", ["", "a b", "../../etc/x", "a/b", "-f", ".hidden", "é", "a\\nb"])
def test_names_that_no_log_file_could_have(name: str) -> None:
    (problem,) = problems(f'[service."{name}"]\ncommand = ["x"]')
    assert "a name has letters, digits" in problem


def test_actions_that_are_commands() -> None:
    text = """
        [service.web]
        command = ["web"]
        [service.web.action.reload]
        command = ["kill", "-HUP"]
        usage = "WHAT [WHY] [WHEN]"
        role = "observer"
        timeout = 5
        [service.web.action.rotate-2]
        command = ["rotate"]
        """
    (service,) = read(text)
    reload, rotate = service.actions
    assert (reload.name, reload.usage, reload.role) == ("reload", "WHAT [WHY] [WHEN]", Role.OBSERVER)
    assert (rotate.name, rotate.usage, rotate.role) == ("rotate-2", "", Role.ADMIN)
    # A reload finds nothing new.
    assert read(text) == (service,)
    assert read(text.replace("-HUP", "-USR1")) != (service,)


def test_every_mistake_in_actions_at_once() -> None:
    text = """
        [service.web]
        command = ["web"]
        [service.web.action.a]
        command = []
        usage = "[A] B"
        role = "all"
        timeout = 0
        shell = true
        [service.web.action.b]
        documentation = "B."
        """
    assert sorted(problems(text)) == sorted(
        f"cannot read [service.web] action{problem}"
        for problem in (
            "['a'].command: its length must be >= 1: 0",
            "['a'].usage: '[A] B' is no usage; one is a word for each argument, optional ones last: CONTACT [ACCOUNT]",
            "['a'].role: it must be in ('observer', 'moderator', 'admin') (got 'all')",
            "['a'].timeout: it must be > 0: 0.0",
            "['a']: unknown key shell; the keys are: command, documentation, usage, role, timeout",
            "['b'].command: this key is missing",
        )
    )


@pytest.mark.parametrize("name", ["", "a b", "A", "a_b", "-f", "1", "a/b", "é"])
def test_names_that_no_action_can_have(name: str) -> None:
    (problem,) = problems(f'[service.web]\ncommand = ["x"]\n[service.web.action."{name}"]\ncommand = ["x"]')
    assert problem.startswith(f"cannot read [service.web] action: {name!r} is no name; ")


def test_names_that_herd_itself_answers_to_are_taken() -> None:
    assert problems(program("web", "x", action={"reload": {"command": ["x"]}, "start": {"command": ["x"]}})) == [
        "cannot read [service.web] action: 'start' is what herd itself does; choose another name"
    ]
    assert {*VERBS, "log", "watch", "audit", "remote", "setup", "action", "list-actions"} == TAKEN_NAMES


@pytest.mark.parametrize("name", ["courage", "NOFILE", "ofile"])
def test_resource_limits_that_there_are_not(name: str) -> None:
    (problem,) = problems(program("web", "x", resource_limits={name: "1"}))
    assert problem.startswith(
        f"cannot read [service.web] resource-limits: {name!r} is no resource limit; the limits are: "
    )
    assert ", core, cpu, " in problem


def test_resource_limits_as_they_are_written() -> None:
    (service,) = read(program("web", "x", resource_limits={"nofile": "1024:4096", "core": "0:unlimited", "cpu": "9"}))
    assert service.program.resource_limits == {"nofile": (1024, 4096), "core": (0, None), "cpu": (9, 9)}


def test_limits_of_all_that_a_service_does() -> None:
    text = program("web", "exec true", aliases=["http"]) + program("app", "exec true")
    web, app = read(text + '[limits.http]\nmemory-max = "64MiB"\ncpu-quota = "150%"\ncpu-weight = 10\ntasks-max = 20\n')
    assert web.program.limits == Limits(64 * 2**20, 1.5, 10, 20)
    assert web.program.limits.words == "memory 64.0 MiB, CPU 150%, CPU weight 10, tasks 20"
    assert (app.program.limits, app.program.limits.files) == (Limits(), {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[limits]\nmemory-max = 1\n", "[limits.memory-max]: there is no such service; the services are: web"),
        ("limits = 3\n", "[limits]: it is written as [limits.NAME]"),
        ("[limits.wep]\n", "[limits.wep]: there is no such service; did you mean web?"),
        ("[limits.web]\nmemory = 1\n", "[limits.web]: unknown key memory; did you mean memory-max?"),
        ("[limits.web]\nmemory-max = 1000\n", "[limits.web] memory-max: it must be >= 1048576: 1000"),
        ("[limits.web]\nmemory-max = true\n",
         "[limits.web] memory-max: true is no size; one is a text such as '10MiB', or a whole number of bytes"),
        ("[limits.web]\ncpu-quota = 0.5\n",
         "[limits.web] cpu-quota: 0.5 is no share; one is a text such as '50%', of one processor, or '200%', from "
         "'1%' to '1000000%'"),
        ('[limits.web]\ncpu-quota = "0%"\n',
         "[limits.web] cpu-quota: \"0%\" is no share; one is a text such as '50%', of one processor, or '200%', from "
         "'1%' to '1000000%'"),
        ("[limits.web]\ncpu-weight = 0\n", "[limits.web] cpu-weight: it must be >= 1: 0"),
        ("[limits.web]\ntasks-max = 0\n", "[limits.web] tasks-max: it must be >= 1: 0"),
    ],
)  # fmt: skip
def test_limits_that_cannot_be(text: str, problem: str) -> None:
    # A table by itself: what comes first may be no table.
    assert problems(text + program("web", "exec true")) == [f"cannot read {problem}"]


def test_two_names_of_a_service_have_one_table_of_limits() -> None:
    text = program("web", "exec true", aliases=["http"]) + "[limits.web]\n[limits.http]\n"
    assert problems(text) == ["cannot read [limits.http]: web has its limits already; name it once"]


def test_a_circle() -> None:
    tables = [program(name, "x", requirement=[need]) for name, need in (("a", "b"), ("b", "c"), ("c", "a"))]
    (problem,) = problems("".join(tables))
    assert problem.startswith("cannot order the services: ")
    assert problem.endswith(" require each other in a circle; remove one requirement")
    assert problem.count(" -> ") == 3


@pytest.mark.parametrize("name", ["root", "shepherd"])
def test_roots_names_are_taken(name: str) -> None:
    assert problems(program(name, "x")) == [
        f"cannot register {name}: the name {name} is root's already; choose another"
    ]


def test_fingerprints_of_either_case_are_taken() -> None:
    text = f'[[jami.account]]\narchive = "/a"\nallowed-contacts = ["{GOOD}", "{GOOD.lower()}"]'
    assert [service.name for service in read(text)] == ["jami-dbus-session", "jami"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        with pytest.raises(ConfigurationError) as caught:
            config.load(path, SURROUNDINGS)
        return caught.value.message

    missing = problem(tmp_path / "none")
    assert missing.startswith(f"cannot read {tmp_path}/none: there is no such file; ")
    assert missing.endswith("or name another with --config")
    assert problem(tmp_path) == f"cannot read {tmp_path}: Is a directory"
    broken = tmp_path / "herd.toml"
    broken.write_text("[service.web\n")
    assert problem(broken).startswith(f"cannot read {broken}: it is not TOML: ")
    assert "line 1" in problem(broken)
    broken.write_bytes(b'[service.web]\ncommand = ["\xff"]')
    assert problem(broken).startswith(f"cannot read {broken}: it is not TOML: ")


def check(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    places = [f"--{name}-dir={directory / name}" for name in ("runtime", "state", "log")]
    command = [*HERDD, f"--config={directory / 'herd.toml'}", *places, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_check_says_that_it_is_right_and_starts_nothing() -> None:
    with short_directory() as directory:
        (directory / "herd.toml").write_text(program("web", f"touch {directory}/started") + program("db", "x"))
        found = check(directory, "--check")
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout == f"{directory}/herd.toml is right: web, db\n"
        assert [each.name for each in directory.iterdir()] == ["herd.toml"]


def test_secrets_that_everybody_can_read_are_warned_of_and_not_said() -> None:
    tables = """
[mumble]
superuser-password = ""
server-password-file = "/etc/herd/password"
server-password = "hush"
public-registration = {name = "x", password = "hush", url = "https://x", hostname = "x"}
""" + program("web", "x", environment={"API_TOKEN": "hush", "LANG": "C"}, action={"a": {"command": ["password"]}})
    parsed = tomllib.loads(tables)
    (warning,) = exposure.warnings(Path("/x"), 0o100644, parsed)
    assert warning == (
        "Everybody on this host can read /x, and so [mumble] server-password, [mumble.public-registration] password, "
        "[service.web.environment] API_TOKEN; keep it from them: chmod 640 /x"
    )
    assert exposure.warnings(Path("/x"), 0o100640, parsed) == ()
    assert exposure.warnings(Path("/x"), 0o100644, tomllib.loads(program("web", "x"))) == ()


def test_secrets_behind_a_directory_of_ones_own_are_not_warned_of() -> None:
    tables = tomllib.loads(program("web", "x", environment={"API_TOKEN": "hush"}))
    with short_directory() as directory:
        (directory / "home").mkdir(0o700)
        (directory / "home/herd.toml").touch()
        (directory / "link").symlink_to("home/herd.toml")
        for path in (directory / "home/herd.toml", directory / "link"):
            assert exposure.warnings(path, 0o100644, tables) == ()
        (directory / "home").chmod(0o711)
        for path in (directory / "home/herd.toml", directory / "link"):
            assert len(exposure.warnings(path, 0o100644, tables)) == 1


def test_a_check_a_start_and_a_reload_warn_of_secrets_that_everybody_can_read() -> None:
    secret = program("web", "exec sleep 1000", environment={"PASSWORD": "hush"})
    with short_directory() as directory:
        (directory / "herd.toml").write_text(secret)
        (directory / "herd.toml").chmod(0o644)
        checked = check(directory, "--check")
        assert (checked.returncode, checked.stdout) == (0, f"{directory}/herd.toml is right: web\n")
        assert checked.stderr.startswith("herdd: Everybody on this host can read ")
        with herdd(secret, directory=directory) as daemon:
            daemon.said("and so [service.web.environment] PASSWORD;")
            daemon.herd("reload", "root")
            # Only what is new is said.
            (directory / "herd.toml").write_text(secret + program("db", "x", environment={"TOKEN": "hush"}))
            daemon.herd("reload", "root", "--no-restart")
            daemon.said("[service.db.environment] TOKEN")
            (directory / "herd.toml").chmod(0o640)
            daemon.herd("reload", "root")
            (directory / "herd.toml").chmod(0o644)
            daemon.herd("reload", "root")
            daemon.said("[service.db.environment] TOKEN", 2)
            assert len([line for line in daemon.lines if "Everybody on this host can read " in line]) == 3
            assert "hush" not in "".join(daemon.lines)


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_wrong_one_starts_nothing(options: tuple[str, ...]) -> None:
    with short_directory() as directory:
        (directory / "herd.toml").write_text(
            program("web", f"touch {directory}/started") + program("db", "x", port=1, go=2)
        )
        found = check(directory, *options)
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr.startswith("herdd: cannot read [service.db]: unknown key go; ")
        assert "unknown key port; " in found.stderr
        assert [each.name for each in directory.iterdir()] == ["herd.toml"]
