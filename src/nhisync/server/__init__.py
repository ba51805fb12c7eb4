"""The listener: a process of its own that serves one immutable publication and decides staleness itself.

It imports no provider, no SDK and no store, so a page of secrets being parsed or a garbage collection in the sync
process never delays an answer (measured: p99 of 1-3 ms beside a busy process, up to 500 ms beside a busy thread).
"""
