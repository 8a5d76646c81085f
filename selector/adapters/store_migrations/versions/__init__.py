"""Which schemas were there, oldest first? One file per revision; a released one never changes."""
