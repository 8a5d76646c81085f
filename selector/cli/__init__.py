"""The command line: arguments, then a workflow, then text or JSON, then an exit code; it decides nothing itself."""
