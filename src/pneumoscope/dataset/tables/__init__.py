"""Tables of labels: one's own, and those of public datasets as they are published."""
