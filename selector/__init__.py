"""mlflow-selector keeps the best model in production; importing this package stays cheap (no mlflow, no pandas)."""

__version__ = "0.1.0"

__all__ = ["__version__"]
