"""The web's edge: headers, error pages, language, page base."""
