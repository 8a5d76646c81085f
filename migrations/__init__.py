"""How do models that were stored without MLflow get into MLflow: scan, plan, apply, undo."""
