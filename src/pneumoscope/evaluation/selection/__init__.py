"""Selection on validation data: one of several models, and the operating points."""
