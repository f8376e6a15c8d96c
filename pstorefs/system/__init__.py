"""The machine, the kernel and the C library; and tools: a cache, times, what may be printed."""
