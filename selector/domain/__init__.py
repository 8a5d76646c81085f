"""What is decided, as pure functions over frozen values: no I/O, no clock, no logging, no mlflow."""
