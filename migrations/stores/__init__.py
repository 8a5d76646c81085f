"""How does a whole MLflow store, a folder or a database of any age, get into the MLflow of today?"""
