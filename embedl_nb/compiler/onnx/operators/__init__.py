"""One small function for each ONNX operator and version, by family; importing this package fills the registry."""
