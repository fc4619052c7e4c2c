"""Answers to a file: a PDF or a photo, checked away from the web process and then forgotten."""
