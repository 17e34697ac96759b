"""The rate at every step, and as PyTorch's StepLR has it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.network import schedules


def step_lr(learning_rate, gamma, step_size, epoch):
    """PyTorch's StepLR, by its own recursion over epochs."""
    for past in range(1, epoch + 1):
        if past % step_size == 0:
            learning_rate *= gamma
    return learning_rate


def test_by_hand():
    # Drops after every 2 of 5 epochs of 3 steps: at the steps 6 and 12.
    schedule = schedules.step_schedule(1.0, 0.1, 2, 5, 3)
    rates = [float(schedule(step)) for step in range(15)]
    assert rates == pytest.approx([1.0] * 6 + [0.1] * 6 + [0.01] * 3)


def test_boundary_step_has_the_new_rate():
    schedule = schedules.step_schedule(0.01, 0.1, 10, 20, 7)
    assert float(schedule(10 * 7 - 1)) == pytest.approx(0.01)
    assert float(schedule(10 * 7)) == pytest.approx(0.001)


@pytest.mark.parametrize("total_epochs", [1, 9, 10])
def test_no_drop_within_the_training(total_epochs):
    schedule = schedules.step_schedule(0.5, 0.1, 10, total_epochs, 4)
    assert {float(schedule(step)) for step in range(total_epochs * 4)} == {0.5}


def test_one_step_an_epoch():
    schedule = schedules.step_schedule(1.0, 0.5, 1, 3, 1)
    assert [float(schedule(step)) for step in range(3)] == [1.0, 0.5, 0.25]


@settings(deadline=None, max_examples=20)
@given(
    st.floats(1e-6, 10),
    st.floats(0.01, 1),
    st.integers(1, 6),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_is_step_lr(learning_rate, factor, epochs, total_epochs, steps):
    schedule = schedules.step_schedule(
        learning_rate, factor, epochs, total_epochs, steps
    )
    for step in range(total_epochs * steps):
        expected = step_lr(learning_rate, factor, epochs, step // steps)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)


def test_serialization():
    schedule = schedules.step_schedule(1.0, 0.1, 2, 5, 3)
    again = type(schedule).from_config(schedule.get_config())
    assert [float(again(s)) for s in (5, 6)] == [float(schedule(s)) for s in (5, 6)]
