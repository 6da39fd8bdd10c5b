"""The challenge's score of several entries: win rates over scenarios, what they come to, and how firm the order is."""
