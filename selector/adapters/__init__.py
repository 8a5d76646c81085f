"""Which real and in-memory technologies stand behind the ports; a file name starts with its port."""
