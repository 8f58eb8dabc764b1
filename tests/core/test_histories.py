"""The lives of several services over random histories of requests, ends, time-outs and clock, in a model of the daemon
(support/model). Whatever happens: there are never two processes of a service, none starts before what it requires,
while it is disabled or beyond the limit of respawns, nothing impossible comes, and every request is answered once.

HERD_HISTORIES=10000 plays so many, and others every time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from attrs import evolve
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from herd.core import events
from herd.core import lifecycle as life
from herd.core.events import Stage, Status
from herd.core.respawn import Respawn
from herd.core.state import Policy
from model.daemon import Daemon, Kind
from model.keeper import FakeProcess, Keeper, Place

LIMITED = Respawn(delay=1, factor=2, ceiling=3, times=2, window=60, reset_after=50)
POLICIES = [
    Policy(LIMITED, start_timeout=20, grace_period=5),
    Policy(Respawn(delay=0, times=0), start_timeout=20, grace_period=0),
    Policy(None, start_timeout=20, grace_period=5),
    Policy(LIMITED, start_timeout=20, grace_period=5, one_shot=True),
    Policy(LIMITED, start_timeout=20, grace_period=5, on_demand=True),
    Policy(None, start_timeout=20, grace_period=5, on_demand=True, is_timer=True),
]
RARELY = st.sampled_from([False, False, False, True])
KIND = st.builds(
    Kind,
    policy=st.sampled_from(POLICIES),
    needs=st.lists(st.integers(0, 3), max_size=2, unique=True),
    enabled=RARELY.map(lambda rare: not rare),
    adopted=RARELY,
)
# Which of those to whom it can happen.
PICK = st.integers(0, 59)
ENDLESS = 2000
# How many turns the daemon takes before anything else happens: mostly all, and often every stage goes well, too.
SMOOTHLY = -1
SOON = st.sampled_from([SMOOTHLY, SMOOTHLY, SMOOTHLY, ENDLESS, ENDLESS, 0, 1, 2, 5])


def acyclic(kinds: list[Kind]) -> list[Kind]:
    """Each requires some of those before it."""
    return [
        evolve(kind, needs=sorted({need % position for need in kind.needs}) if position else ())
        for position, kind in enumerate(kinds)
    ]


def goes_on(keeper: Keeper) -> bool:
    """The next stage of its start, or of its next run, can go well."""
    return keeper.can_execute or keeper.place in (Place.EXECUTING, Place.SETTLING)


def can_fail(keeper: Keeper) -> bool:
    return keeper.place in (Place.PREPARED, Place.EXECUTING, Place.SETTLING)


def can_exit(keeper: Keeper) -> bool:
    return keeper.can_exit


def can_clear(keeper: Keeper) -> bool:
    return keeper.can_clear


def can_be_unwell(keeper: Keeper) -> bool:
    return keeper.can_be_unwell


def lacks_something(keeper: Keeper) -> bool:
    """It is still stopping, and will start again once what it requires is back."""
    return keeper.state.status is Status.STOPPING and keeper.state.awaits_requirement


def where(can: Callable[[Keeper], bool]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Only while there is a service to which it can happen."""
    return precondition(lambda self: any(can(keeper) for keeper in self.daemon.keepers))


class Histories(RuleBasedStateMachine):
    """What people and processes do; the daemon's own turns come between."""

    seen: ClassVar[Counter[tuple[Status, type[events.Event]]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.daemon = Daemon(())

    @initialize(kinds=st.lists(KIND, min_size=1, max_size=5).map(acyclic))
    def begin(self, kinds: list[Kind]) -> None:
        self.daemon = Daemon(kinds)

    def one(self, pick: int, can: Callable[[Keeper], bool] = lambda _: True) -> Keeper:
        found = [keeper for keeper in self.daemon.keepers if can(keeper)]
        return found[pick % len(found)]

    def turn(self, pick: int, soon: int) -> None:
        for turned in range(soon if soon != SMOOTHLY else ENDLESS):
            if found := self.daemon.turns():
                found[(pick + turned) % len(found)]()
                self.daemon.check()
            elif soon != SMOOTHLY or not self.go_on():
                return

    def go_on(self) -> bool:
        """One start's next stage goes well, if there is any."""
        keeper = next(filter(goes_on, self.daemon.keepers), None)
        if keeper is not None:
            self.do_next_stage(keeper, self.daemon.next_process(), at_once=False)
        return keeper is not None

    def do_next_stage(self, keeper: Keeper, process: FakeProcess, *, at_once: bool) -> None:
        if keeper.can_execute:
            keeper.execute()
        elif keeper.place is Place.EXECUTING:
            keeper.be_executed(process, at_once=at_once)
        else:
            keeper.be_ready()

    # Time, and the daemon.

    @rule(pick=PICK)
    def a_turn(self, pick: int) -> None:
        self.turn(pick, 1)

    @rule(pick=PICK, soon=SOON, seconds=st.sampled_from([0.0, 0.5, 4.0, 30.0, 100.0]))
    def time_passes(self, pick: int, soon: int, seconds: float) -> None:
        self.daemon.wait(seconds)
        self.turn(pick, soon)

    @precondition(lambda self: self.daemon.next_timer() is not None)
    @rule(pick=PICK, soon=SOON)
    def the_next_timer_fires(self, pick: int, soon: int) -> None:
        self.daemon.wait_for_timer()
        self.turn(pick, soon)

    # People.

    @rule(pick=PICK, soon=SOON)
    def start(self, pick: int, soon: int) -> None:
        self.daemon.start(self.one(pick))
        self.turn(pick, soon)

    @where(lacks_something)
    @rule(pick=PICK, soon=SOON)
    def start_what_one_lacks(self, pick: int, soon: int) -> None:
        for need in self.one(pick, lacks_something).needs:
            self.daemon.start(need)
        self.turn(pick, soon)

    @rule(pick=PICK, soon=SOON)
    def start_with_the_daemon(self, pick: int, soon: int) -> None:
        self.one(pick).post(events.Start(asked=False))
        self.turn(pick, soon)

    @rule(pick=PICK, soon=SOON)
    def stop(self, pick: int, soon: int) -> None:
        self.daemon.stop([self.one(pick)])
        self.turn(pick, soon)

    @rule(pick=PICK, soon=SOON, enable=st.booleans())
    def enable_or_disable(self, pick: int, soon: int, enable: bool) -> None:
        self.one(pick).post(events.Enable() if enable else events.Disable())
        self.turn(pick, soon)

    @precondition(lambda self: self.daemon.is_ending)
    @rule(pick=PICK, soon=SOON)
    def hurry(self, pick: int, soon: int) -> None:
        self.daemon.hurry()
        self.turn(pick, soon)

    # Stages and processes.

    @where(goes_on)
    @rule(pick=PICK, soon=SOON, at_once=st.booleans(), obedient=st.booleans(), leaves=RARELY)
    def a_start_goes_on(self, pick: int, soon: int, at_once: bool, obedient: bool, leaves: bool) -> None:
        process = self.daemon.process(obedient=obedient, leaves=leaves)
        self.do_next_stage(self.one(pick, goes_on), process, at_once=at_once)
        self.turn(pick, soon)

    @where(can_fail)
    @rule(pick=PICK, soon=SOON)
    def a_stage_fails(self, pick: int, soon: int) -> None:
        keeper = self.one(pick, can_fail)
        if keeper.place is Place.EXECUTING:
            keeper.be_executed(None, at_once=False)
        else:
            keeper.fail(Stage.PREPARATION if keeper.place is Place.PREPARED else Stage.SETUP)
        self.turn(pick, soon)

    @where(can_exit)
    @rule(pick=PICK, soon=SOON, ending=st.sampled_from([(0, None), (3, None), (None, 11)]))
    def a_program_ends(self, pick: int, soon: int, ending: tuple[int | None, int | None]) -> None:
        self.one(pick, can_exit).exit(*ending)
        self.turn(pick, soon)

    @where(can_clear)
    @rule(pick=PICK, soon=SOON)
    def a_last_child_ends(self, pick: int, soon: int) -> None:
        self.one(pick, can_clear).clear()
        self.turn(pick, soon)

    @where(can_be_unwell)
    @rule(pick=PICK, soon=SOON)
    def a_service_is_unwell(self, pick: int, soon: int) -> None:
        self.one(pick, can_be_unwell).be_unwell()
        self.turn(pick, soon)

    # Whatever happens.

    @invariant()
    def all_is_in_order(self) -> None:
        self.daemon.check()

    def teardown(self) -> None:
        """Everybody is asked to stop, threads come back, time runs on: every request is answered, nothing is left."""
        self.turn(0, ENDLESS)
        self.daemon.stop(self.daemon.keepers)
        for _ in range(ENDLESS):
            self.turn(0, ENDLESS)
            if not self.move_on():
                break
        self.daemon.check_end()
        self.seen.update(self.daemon.seen)

    def move_on(self) -> bool:
        """What is awaited when the daemon has nothing to do: its threads, then its timers; False when nothing is."""
        executing = [keeper for keeper in self.daemon.keepers if keeper.place is Place.EXECUTING]
        for keeper in executing:
            keeper.be_executed(self.daemon.process(obedient=False, leaves=True), at_once=False)
        if not executing and self.daemon.next_timer() is None:
            return False
        if not executing:
            self.daemon.wait_for_timer()
        return True


def test_random_histories_keep_the_invariants_and_come_by_every_entry_that_acts() -> None:
    more = int(os.environ.get("HERD_HISTORIES", "0"))
    acting = {key for key, entry in life.TABLE.items() if callable(entry)}
    Histories.seen.clear()
    # The order of a set is chance: what few histories come by may be missing among the first thousand.
    for number in range(5):
        _play(number, more)
        if not (missing := acting - Histories.seen.keys()):
            return
    raise AssertionError(f"no history came by {missing}")


def _play(number: int, more: int) -> None:
    run_state_machine_as_test(
        # The same ones every time, but for those who ask for more.
        Histories if more else seed(number)(Histories),
        settings=settings(
            max_examples=more or 1000,
            database=None,
            stateful_step_count=60,
            deadline=None,
            # Not explained: that takes minutes.
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
