"""Scores of a model over whole splits, beside the rules with no learning."""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from maskdepth_tf import config, streams
from maskdepth_tf.errors import StateError
from maskdepth_tf.inference import graph, loading, matting
from maskdepth_tf.input import examples, pipeline
from maskdepth_tf.network import answers, baseline, losses, metric_list, metrics
from maskdepth_tf.registration import comparing
from maskdepth_tf.reports.page import number_text
from maskdepth_tf.training import batches, checkpoints


@dataclass(frozen=True)
class Scorable:
    """A trained network, whatever file it comes from.

    Attributes:
        outputs: From a batch of inputs to `mask` logits, `depth` and
            `background_mismatch`, with backgrounds brought onto their pictures.
        bare: The same of backgrounds as they are, without `background_mismatch`.
        image_size: Side of its pictures, in pixels.
        num_parameters: Trainable parameters.
    """

    outputs: Callable[[Mapping], Mapping]
    bare: Callable[[Mapping], Mapping]
    image_size: int
    num_parameters: int


def load_scorable(path: str | Path) -> Scorable:
    """Loads a run folder, a `.keras` file, or a SavedModel (also by its parent).

    Raises:
        StateError: If there is no such model, or it is damaged or has other inputs.
    """
    folder = loading.find_saved_model(path)
    if folder is None:
        return _keras_scorable(checkpoints.load_model(path))
    return _saved_model_scorable(loading.load_saved_model(folder))


def _keras_scorable(model: keras.Model) -> Scorable:
    graph.check(model)
    size = model.inputs[0].shape[1]
    _, register = graph.graphs(size)

    def bare(bg, fg_bg):
        return model({"bg": bg, "fg_bg": fg_bg}, training=False)

    def outputs(bg, fg_bg, aspect):
        bg = register(bg, fg_bg, aspect).bg
        mismatch = comparing.mismatch(bg, fg_bg)
        return bare(bg, fg_bg) | {"background_mismatch": mismatch}

    # Of any number: last batches are smaller, and tracing takes seconds.
    pixels = [tf.TensorSpec([None, size, size, 3], tf.float32)] * 2
    aspect = tf.TensorSpec([None], tf.float32)
    run = tf.function(outputs, [*pixels, aspect], autograph=False)
    run_bare = tf.function(bare, pixels, autograph=False)
    return Scorable(
        lambda inputs: run(*_pictures(inputs).values(), _aspects(inputs)),
        lambda inputs: run_bare(*_pictures(inputs).values()),
        size,
        num_parameters(model),
    )


def num_parameters(model) -> int:
    """Trainable parameters of a Keras model or a loaded SavedModel."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def _saved_model_scorable(loaded):
    def run(signature, pictures):
        # Looked up here: a signature alone does not keep the variables it reads.
        found = loaded.signatures[signature](**pictures)
        return found | {"mask": metrics.to_logits(found["mask"])}

    def bare(inputs):
        return run("serving_registered", _pictures(inputs))

    def outputs(inputs):
        pictures = _pictures(inputs)
        if streams.ASPECT not in inputs:
            return run("serving_arrays", pictures)
        # Only files tell that signature how wide they are.
        found = register(**pictures, aspect=inputs[streams.ASPECT])
        return run("serving_registered", pictures | {"bg": found.bg})

    _, inputs = loaded.signatures["serving_arrays"].structured_input_signature
    size = inputs["bg"].shape[1]
    _, register = graph.graphs(size)
    return Scorable(outputs, bare, size, num_parameters(loaded))


class Scores:
    """The metrics of both outputs, added up over a split."""

    def __init__(self) -> None:
        """Starts empty."""
        self._metrics = metrics.make_metrics()

    def update(self, targets: Mapping, outputs: Mapping) -> None:
        """Adds a batch: targets and outputs by name, [B, H, W, 1] each."""
        for output, group in self._metrics.items():
            if output in outputs:
                for metric in group:
                    metric.update_state(targets[output], outputs[output])

    def result(self) -> dict[str, dict[str, float | None]]:
        """The figures of each output, by name; None where no example counted."""
        return {
            output: {
                metric.name: float(metric.result()) if float(metric.count) else None
                for metric in group
            }
            for output, group in self._metrics.items()
        }


def score(
    model: Scorable, dataset: tf.data.Dataset, shown: tf.data.Dataset | None = None
) -> dict:
    """Scores a model and the rules with no learning on the same examples.

    Args:
        model: The network.
        dataset: Batches of (inputs, targets), every example once, of the size that is
            scored.
        shown: The same batches of the network's size, if that is another. Its answers
            are brought to the size that is scored then, as `predict` does.

    Returns:
        `examples`, `image_size`, `parameters`, `mask`, `depth`, and `baseline` with the
        last two: the difference rule for the mask, the mean map for the depth.
    """
    network, rule = Scores(), Scores()
    total_depth, count, num_known = 0.0, 0, 0.0
    others = itertools.repeat(None) if shown is None else shown
    for (inputs, targets), other in zip(dataset, others, strict=shown is not None):
        size = targets["depth"].shape[1]
        if other is None:
            outputs = model.outputs(inputs)
        else:
            outputs = _of_size(model, other[0], inputs)
        network.update(targets, outputs)
        difference = baseline.difference_mask(inputs["bg"], inputs["fg_bg"])
        rule.update(targets, {"mask": metrics.to_logits(difference)})
        count += len(targets["depth"])
        depths = tf.boolean_mask(targets["depth"], losses.is_known(targets["depth"]))
        truth, _, known = losses.beside_holes(depths, depths)
        total_depth += tf.reduce_sum(tf.cast(truth * known, tf.float64), axis=0)
        num_known += tf.reduce_sum(tf.cast(known, tf.float64), axis=0)
    # The best constant answer, as it is taken over the very examples that it scores on.
    constant = tf.cast(total_depth / tf.maximum(num_known, 1.0), tf.float32)
    for _, targets in dataset:
        depth = tf.broadcast_to(constant, targets["depth"].shape)
        rule.update(targets, {"depth": depth})
    about = {"examples": count, "image_size": size, "parameters": model.num_parameters}
    return about | network.result() | {"baseline": rule.result()}


def _of_size(model, shown, inputs) -> dict:
    """Answers as `predict` writes them, for pictures of another size than is shown."""
    bg, fg_bg = _pictures(shown).values()
    _, register = graph.graphs(model.image_size)
    refine, _ = matting.graphs(model.image_size)
    found = register(bg, fg_bg, _aspects(shown))
    small = answers.of_outputs(model.bare({"bg": found.bg, "fg_bg": fg_bg}))
    size = inputs["bg"].shape[1]
    pair = (inputs["bg"], inputs["fg_bg"], fg_bg, small["mask"], found.warp)
    mask = tf.map_fn(
        lambda one: refine(matting.Pair(*one))[0],
        (*pair, *found.light),
        fn_output_signature=tf.TensorSpec([size, size, 1], tf.float32),
    )
    depth = answers.stretch(small["depth"], size, size)
    return {"mask": metrics.to_logits(mask), "depth": depth}


def _pictures(inputs) -> dict[str, tf.Tensor]:
    return {s.name: tf.cast(inputs[s.name], tf.float32) for s in streams.INPUTS}


def _aspects(inputs) -> tf.Tensor:
    return inputs.get(streams.ASPECT, tf.ones(tf.shape(inputs["bg"])[:1]))


def _score_rows(model, ids, scored, shown, batch_size) -> dict:
    def batches(source):
        return pipeline.make_evaluation_dataset(source.load, ids, batch_size=batch_size)

    with scored.damage_named():
        return score(model, batches(scored), None if shown is None else batches(shown))


def evaluate_split(
    data: batches.TrainingData, model_path: str | Path, image_size: int | None = None
) -> dict:
    """Scores a model on all sides of a configuration's split but the training one.

    Args:
        data: The configuration and its labelled set.
        model_path: As `load_scorable`.
        image_size: Side of the square that is scored, in pixels; the set's if None.

    Returns:
        The `test` side's figures, and under `splits` those of every side.
    """
    settings, scored, shown = data.settings, data.examples, None
    if image_size not in (None, settings.data.image_size):
        other = replace(settings.data, image_size=image_size, memory_gb=0.0)
        scored, shown = batches.open_set(other), scored
    model, batch_size = load_scorable(model_path), settings.training.test_batch_size
    sides = {
        name: _score_rows(model, data.split[name], scored, shown, batch_size)
        for name in sorted(set(data.split) - {"train"})
        if len(data.split[name])
    }
    return sides["test"] | {"splits": sides}


def evaluate_run(
    run_dir: Path, model_path: str | None = None, image_size: int | None = None
) -> dict:
    """Scores a run's best model, or another, on the splits that it was trained with.

    Args:
        run_dir: Run folder.
        model_path: As `load_scorable`; the run's own if None.
        image_size: Side of the square that is scored, in pixels; the run's if None.

    Returns:
        As `evaluate_split`.
    """
    if not (run_dir / "config.yaml").is_file():
        raise StateError(f"{run_dir}: a run folder must hold config.yaml")
    data = batches.open_data(config.load_config([run_dir / "config.yaml"]))
    return evaluate_split(data, model_path or run_dir, image_size)


def evaluate_labels(
    model_path: str,
    labels_path: str,
    root: str | None,
    batch_size: int,
    image_size: int | None = None,
) -> dict:
    """Scores a model on all rows of a labelled set; as `score`.

    Args:
        model_path: As `load_scorable`.
        labels_path: Labels file, or the folder of a packed set.
        root: Folder that its paths start from; its own folder if None.
        batch_size: Examples that are scored at once.
        image_size: Side of the square that is scored, in pixels; the network's if None.
    """
    model = load_scorable(model_path)
    load = functools.partial(
        examples.open_examples, labels_path, root, foregrounds=False
    )
    found, shown = load(image_size=model.image_size), None
    if image_size not in (None, model.image_size):
        found, shown = load(image_size=image_size, memory_gb=0.0), found
    ids = np.arange(len(found.rows))
    return _score_rows(model, ids, found, shown, batch_size)


def table(scores: dict) -> str:
    """Writes the figures for a terminal, those of each output under each other.

    Args:
        scores: As `evaluate_split` or `score` returns them.

    Returns:
        For each output a header, and for each split a line of the network and one of
        the rule with no learning; less than 80 columns wide.
    """
    splits, blocks = scores.get("splits", {"all rows": scores}), []
    for output, group in metric_list.by_output().items():
        widths = [max(9, len(metric.heading) + 2) for metric in group]
        rows = [(output, [metric.heading for metric in group])]
        for side, figures in splits.items():
            parts = (figures[output], figures["baseline"][output])
            labels = (f"{side} ({figures['examples']:,})", "  no learning")
            for label, part in zip(labels, parts, strict=True):
                rows.append((label, [number_text(part[m.name]) for m in group]))
        lines = []
        for name, cells in rows:
            padded = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
            lines.append(f"{name:24}" + "".join(padded))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
