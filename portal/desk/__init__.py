"""Issuing at pages: what people of a school, and their department's officers, ask for and see."""
