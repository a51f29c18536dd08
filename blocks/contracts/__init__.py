"""The data that this system and the platform exchange; pure data and pure rules.

Purpose: wire events, stored records, computed ids and the state machine, as frozen msgspec Structs.
Contract: imports nothing but the standard library and msgspec, does no I/O and reads no clock, so
every process, test and exported schema agrees.
Pitfalls: importing this package must stay fast (about 0.05 s); it is on the path of `orchestrator
--help`.

- `envelope`: how an event travels, and `decode_event`, through which all foreign bytes are read.
- `events`: the data of each event, published and consumed.
- `records`: what is stored, one Struct per kind of document; `records.dead_letters` and
  `records.audit` among them.
- `reading`: how foreign values are read, and their bounds.
- `states`: which status may follow which.
- `ids`: ids are computed, not drawn: doing a thing twice is doing it once.
- `analysis`: the four steps of an opportunity analysis.
- `jobs`: the eight batch jobs, what each trigger may contain, and what happens to a late tick.
- `rejections`: the stable codes of refused input.
- `schemas`: JSON Schemas and the AsyncAPI document, exported from these same types.
"""
