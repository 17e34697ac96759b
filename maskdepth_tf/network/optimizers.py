"""The optimizer, where several devices share a batch."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("maskdepth_tf")
class SGD(keras.optimizers.SGD):
    """Keras' SGD, which cuts the whole batch's gradient to `global_clipnorm`.

    Keras cuts each replica's own before it adds them up, so that the result would
    depend on how many share the batch.
    """

    def apply(self, grads, trainable_variables=None):
        context = tf.distribute.get_replica_context()
        if self.global_clipnorm and context and context.num_replicas_in_sync > 1:
            whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
            whole, _ = tf.clip_by_global_norm(whole, self.global_clipnorm)
            # Keras adds the replicas' gradients up once more. Cut again, as it does
            # first, nothing is lost: each is within the length.
            grads = [gradient / context.num_replicas_in_sync for gradient in whole]
        super().apply(grads, trainable_variables)
