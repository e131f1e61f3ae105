-- Whose events these are: a boot of a machine, and a network namespace of it.
CREATE TABLE homes (
  id INTEGER PRIMARY KEY,
  boot TEXT NOT NULL,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,        -- in the order in which they came
  at INTEGER NOT NULL,           -- wall clock: milliseconds since 1970, UTC
  age INTEGER NOT NULL,          -- milliseconds on a clock of the journal's own, which never goes back
  home INTEGER NOT NULL REFERENCES homes (id),
  kind TEXT NOT NULL,            -- blocked, unblocked, ...
  source BLOB,                   -- first address, in 16 octets; IPv4 in its mapped form
  prefix INTEGER,                -- its prefix length, of 128
  port INTEGER,
  protocol TEXT,
  repeat INTEGER,
  until INTEGER,                 -- a block's end, on the wall clock
  ends INTEGER,                  -- the same on the journal's own clock; NULL is never
  detail TEXT NOT NULL           -- the whole event, as JSON
);

CREATE INDEX events_at ON events (at);
CREATE INDEX events_source ON events (source, at) WHERE source IS NOT NULL;
-- Counts of ports, sources and times are made from this one alone.
CREATE INDEX events_kind ON events (kind, at, port, protocol, source, prefix);
CREATE INDEX events_ends ON events (ends) WHERE kind = 'blocked';
