"""How does the schema of our own state change from version to version?"""
