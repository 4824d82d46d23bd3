"""Four things that musicavqa finds by name once this package is installed."""
