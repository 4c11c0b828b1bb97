"""What every training shares: the loop, its checkpoints, how it is interrupted."""
