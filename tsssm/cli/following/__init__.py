"""`tsssm stream`, in parts: begin a stream, read lines, follow them, write forecasts."""
