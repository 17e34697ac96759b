"""From labelled sets to batches: labels, splits, packed arrays, augmentation."""
