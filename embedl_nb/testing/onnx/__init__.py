"""ONNX's own backend tests, read from the installed onnx package, and two ways of putting the importer to them."""
