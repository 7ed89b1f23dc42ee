"""Stemeditor: take a song apart, hear it, mix it, export it.

The house, from the ground up (each storey imports only what stands lower):

- ``errors``, ``paths``, ``settings``, ``progress``, ``threads``, ``memory``, ``libraries``: what everybody
  needs and what needs nobody
- ``audio``: sound as values; files, transforms, peaks, levels
- ``methods``: ways to take a song apart, and the runner that keeps their promises
- ``mixing``: what is heard, sample by sample, without a device
- ``evaluation``: how good a separation is: measures, ceilings, tables, data sets, listening tests
- ``project``: the document, its edits and its history
- ``jobs``: the background machinery, and the tasks of the program
- ``app`` and ``cli``: the window and the command line
"""

__version__ = "0.1.0"
