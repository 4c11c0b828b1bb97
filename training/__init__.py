"""Offline training: corpus, drawn textures, views, networks, pre-training and export.

Nothing of the runtime imports this package; it is the only part of the project that needs torch.
"""

from cnn_vs_ros.environment import keep_blas_to_one_core

keep_blas_to_one_core()
