"""The soak: servoing for minutes under random faults, over real DDS, while every limit is watched."""
