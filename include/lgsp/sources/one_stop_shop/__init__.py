"""The one-stop-shop (một cửa điện tử)."""
