"""The story of one model on made-up customers: it plays the user's side of MLflow and checks what we do about it."""
