"""Decides whether a Vietnamese school record (học bạ số) is genuine, current and untouched.

Pure: takes bytes, trust anchors, a policy and a time, and returns a report. No Flask, no database, no clock,
no environment. A fact about a document is data; only our own inability to work is an exception.
"""
