"""The provincial portal of online public services (dịch vụ công trực tuyến)."""
