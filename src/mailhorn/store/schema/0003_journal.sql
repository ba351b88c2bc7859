-- Arrivals are durable in a journal beside the database before they are in its tables.

ALTER TABLE server ADD COLUMN journal INTEGER NOT NULL DEFAULT 0;  -- which journal; 0: none yet
ALTER TABLE server ADD COLUMN entered INTEGER NOT NULL DEFAULT 0;  -- its records up to this number are in the tables
