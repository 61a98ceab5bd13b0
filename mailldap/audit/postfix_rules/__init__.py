"""One small pure function a fault: a Configuration in, Findings out."""
