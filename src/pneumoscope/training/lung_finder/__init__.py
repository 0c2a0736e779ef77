"""Training of the lung finder: a segmentation network that learns from masks of both lungs."""
