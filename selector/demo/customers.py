"""Who are the customers of the demo? Nobody: they are made up, by a rule that models can learn in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SEED = 2
TRAIN_ROWS = 5500
HOLDOUT_ROWS = 1500
TARGET = "Churn"
CALLS = "SupportCalls"
"""The column that the old models were trained without."""

CONTRACTS = ("Month-to-month", "One year", "Two year")
INTERNET = ("DSL", "Fiber optic", "No")
PAYMENTS = ("Bank transfer", "Credit card", "Electronic check", "Mailed check")
NEW, RECENT, LOYAL = 10, 24, 40
"""Months with the company."""
EXPENSIVE = 80
COUNTED_CALLS = 4
"""A fifth call says no more than the fourth."""

Columns = dict[str, npt.NDArray[Any]]


def make_customers(rows: int = TRAIN_ROWS + HOLDOUT_ROWS, seed: int = SEED) -> pd.DataFrame:
    """Return made-up telecom customers, one row each: an id, four text columns, four numbers and Churn (Yes or No).

    About 23 % leave. The rule has interactions, so that trees learn more of it than a line does, and chance decides
    the rest: a model that knew the rule would reach an F1 of about 0.78.

    Args:
        rows: how many, >= 1.
        seed: the same seed gives the same customers.

    """
    random = np.random.default_rng(seed)
    internet = random.choice(INTERNET, rows, p=[0.35, 0.45, 0.2])
    columns: Columns = {
        "customerID": np.array([f"made-up-{number:05d}" for number in range(1, rows + 1)]),
        "Contract": random.choice(CONTRACTS, rows, p=[0.55, 0.25, 0.2]),
        "InternetService": internet,
        "PaymentMethod": random.choice(PAYMENTS, rows, p=[0.22, 0.22, 0.34, 0.22]),
        "TechSupport": random.choice(("Yes", "No"), rows, p=[0.4, 0.6]),
        "SeniorCitizen": (random.random(rows) < 0.16).astype(np.int64),  # noqa: PLR2004 - the share of seniors
        "tenure": np.minimum(random.gamma(1.3, 24, rows), 72).astype(np.int64),
        "MonthlyCharges": np.round(
            20 + 15 * (internet != "No") + 30 * (internet == "Fiber optic") + random.gamma(2, 8, rows), 2
        ),
        CALLS: random.poisson(1.2, rows),
    }
    leaves = random.random(rows) < chance_of_leaving(columns)
    return pd.DataFrame({**columns, TARGET: np.where(leaves, "Yes", "No")})


def chance_of_leaving(columns: Columns) -> npt.NDArray[np.float64]:
    """Return each customer's chance of leaving, 0 to 1: the rule that models try to find."""
    monthly, fiber = columns["Contract"] == CONTRACTS[0], columns["InternetService"] == "Fiber optic"
    alone, tenure = columns["TechSupport"] == "No", columns["tenure"]
    calls = np.minimum(columns[CALLS], COUNTED_CALLS) - 1.2
    logit = (
        -2.6
        + 3.0 * (monthly & fiber)
        - 2.4 * (monthly & fiber & (tenure > LOYAL))
        + 2.4 * (monthly & ~fiber & (tenure < NEW))
        + 2.4 * (~monthly & alone & (columns["MonthlyCharges"] > EXPENSIVE))
        + 1.2 * ((columns["PaymentMethod"] == "Electronic check") & (tenure < RECENT))
        + 0.5 * columns["SeniorCitizen"]
        + 0.8 * calls * np.where(alone, 1.4, 0.7)
    )
    return np.asarray(1.0 / (1.0 + np.exp(-1.7 * logit)))


def split(customers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to train on and the rows to judge by; customers are in random order already."""
    return customers.iloc[:TRAIN_ROWS], customers.iloc[TRAIN_ROWS:]
