"""Commands of ``python -m cnn_vs_ros`` beside a graph that runs, or beside its files."""
