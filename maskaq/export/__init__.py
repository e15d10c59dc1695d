"""Q as a file that other programs run: ONNX, checked against Q and measured."""
