"""The one box: whatever is at hand goes in, and each thing finds its own answer."""
