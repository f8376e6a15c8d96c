"""One record: its name, its text and state, its facts, and the name it is shown under."""
