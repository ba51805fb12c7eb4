"""The parity engine over the real store against the smallest program that answers the same questions.

One million primary and 993,965 backup items with faults planted at fixed rates (`inventories`), written into a store
(`loading`), judged by the real engine (`engine`), and by two ordered SQLite cursors merged in thirty lines of Python
over a table made for just that (`reference`). All of them must find the very same nine counts.
"""
