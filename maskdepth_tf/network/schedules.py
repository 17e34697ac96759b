"""Learning rates as functions of the step."""

import keras


def step_schedule(
    learning_rate: float, factor: float, epochs: int, total_epochs: int, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Multiplies the rate by `factor` after every `epochs` epochs.

        rate(step) = learning_rate * factor ** floor(step / (epochs * steps))

    Args:
        learning_rate: Rate of the first epochs.
        factor: What a drop multiplies it by, in (0, 1].
        epochs: Epochs between drops.
        total_epochs: Epochs of the whole training.
        steps: Steps of one epoch.

    Returns:
        A piecewise constant schedule.

    Raises:
        ValueError: If one of them is out of range.
    """
    if (
        learning_rate <= 0
        or not 0 < factor <= 1
        or min(epochs, total_epochs, steps) < 1
    ):
        raise ValueError(
            "a step schedule needs learning_rate > 0, 0 < factor <= 1 and at least "
            f"one epoch and step. Received: learning_rate={learning_rate}, "
            f"factor={factor}, epochs={epochs}, total_epochs={total_epochs}, "
            f"steps={steps}"
        )
    drops = range(epochs, total_epochs, epochs)
    # The boundary step still has the old rate in Keras: it drops after it.
    boundaries = [drop * steps - 1 for drop in drops]
    rates = [learning_rate * factor**k for k in range(len(boundaries) + 1)]
    if not boundaries:
        boundaries, rates = [total_epochs * steps], [learning_rate, learning_rate]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
