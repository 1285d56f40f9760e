"""The page that a person looks at: a report as one HTML file."""
