"""The strict check of an Axolotl file: its keys and values against the installed Axolotl, and demands of our own."""
