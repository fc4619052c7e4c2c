"""How much one client, one record and this process may cause: the table, its counters, the bounded work.

:mod:`portal.limits.table` says how much of what; :mod:`portal.limits.counters` counts it, in memory or in a
Redis that may fail; :mod:`portal.limits.gate` refuses and charges; :mod:`portal.limits.work` bounds what runs
at one time. Nothing here knows Flask, so that the scans below Flask obey the same table.
"""
