"""ONNX graphs become torch modules here: read and checked, planned on shapes, then called operator by operator."""
