"""Learning rates as functions of the step."""

import keras


def step_schedule(
    learning_rate: float, factor: float, epochs: int, total_epochs: int, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Multiplies the rate by `factor` after every `epochs` epochs.

        rate(step) = learning_rate * factor ** floor(step / (epochs * steps))

    Args:
        learning_rate: Rate of the first epochs, above 0.
        factor: What a drop multiplies it by, in (0, 1].
        epochs: Epochs between drops, at least 1.
        total_epochs: Epochs of the whole training, at least 1.
        steps: Steps of one epoch, at least 1.

    Returns:
        A piecewise constant schedule.
    """
    drops = range(epochs, total_epochs, epochs)
    # The boundary step still has the old rate in Keras: it drops after it.
    boundaries = [drop * steps - 1 for drop in drops]
    rates = [learning_rate * factor**k for k in range(len(boundaries) + 1)]
    if not boundaries:
        boundaries, rates = [total_epochs * steps], [learning_rate, learning_rate]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
