"""Export of finished Runs: bundles for the reader, ONNX graphs, and files for PyTorch users."""
