"""The page on this machine, and the same answers over HTTP: one queue, one worker, nothing kept."""
