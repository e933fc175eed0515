"""What models, devices, links and storage are, each figure with its source."""
