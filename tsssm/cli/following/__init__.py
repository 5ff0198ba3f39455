"""`tsssm stream`, in parts: read lines, follow them, write forecasts, end in order."""
