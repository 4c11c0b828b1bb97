"""The coarse matcher: its data, loss, pre-training, fine-tuning, validation and model file."""
