"""The numbers of respawns: how long the next one waits, and when one more would be too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.respawn import Respawn, is_too_fast, next_delay


@pytest.mark.parametrize(
    ("policy", "attempts", "delay"),
    [
        (Respawn(delay=1, factor=2, ceiling=10), 0, 1),
        (Respawn(delay=1, factor=2, ceiling=10), 1, 2),
        (Respawn(delay=1, factor=2, ceiling=10), 3, 8),
        (Respawn(delay=1, factor=2, ceiling=10), 4, 10),
        (Respawn(delay=1, factor=2, ceiling=10), 10**9, 10),
        (Respawn(delay=20, factor=2, ceiling=10), 0, 10),
        # A small factor comes to the ceiling too, a large one does not overflow, one of 1 stays.
        (Respawn(delay=0.1, factor=1.05, ceiling=60), 200, 60),
        (Respawn(delay=1, factor=1e6, ceiling=10), 100, 10),
        (Respawn(delay=3, factor=1, ceiling=10), 10**9, 3),
        (Respawn(delay=0, factor=2, ceiling=10), 10**9, 0),
    ],
)
def test_delays_grow_up_to_the_ceiling(policy: Respawn, attempts: int, delay: float) -> None:
    assert next_delay(policy, attempts) == delay


@given(
    st.builds(Respawn, delay=st.floats(0, 1e9), factor=st.floats(1, 1e9), ceiling=st.floats(0, 1e9)),
    st.integers(0, 10**6),
)
def test_no_policy_overflows_or_goes_back(policy: Respawn, attempts: int) -> None:
    assert 0 <= next_delay(policy, attempts) <= next_delay(policy, attempts + 1) <= policy.ceiling


@pytest.mark.parametrize(
    ("history", "too_fast"),
    [
        ((), False),
        ((8, 9), False),
        ((8, 9, 9.5), True),
        ((9.9, 10, 10), True),
        ((1, 2, 8, 9), False),
        ((1, 2, 7, 8, 9), True),
        # The window is 7: what was 7 ago is out of it.
        ((3, 9, 9.5), False),
        ((3.001, 9, 9.5), True),
    ],
)
def test_the_limit_counts_within_its_window(history: tuple[float, ...], too_fast: bool) -> None:
    assert is_too_fast(Respawn(times=3, window=7), history, 10.0) is too_fast


def test_no_limit_is_never_too_fast() -> None:
    assert not is_too_fast(Respawn(times=0), (1.0,) * 30, 1.0)


def test_the_defaults_are_shepherds() -> None:
    """Five respawns in seven seconds, a tenth of a second before the first (Shepherd manual, "Defining Services")."""
    assert (Respawn().times, Respawn().window, Respawn().delay) == (5, 7.0, 0.1)
