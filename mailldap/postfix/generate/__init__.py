"""Postfix files made from Settings: pure, sorted, dateless, so that two runs give the same bytes.

Each of the kinds that DESIGN's ``postfix generate`` takes is a list of files. ``main`` holds the
main.cf lines of everything that the settings configure; the other kinds hold their tables and,
as ``main-KIND.cf`` and ``master-KIND.cf``, their own lines alone. ``all`` is all of it.
"""
