-- Indexes for listing calls newest first: all of them, one driver's, or those of one status.
-- Each also serves the bounds on the start time, and the id that SQLite keeps at the end of an
-- index entry breaks ties, so no list is ever sorted. A call is written a handful of times in
-- its life, so what they cost is small beside its turns.

CREATE INDEX idx_calls_start_time ON calls (call_start_time);
CREATE INDEX idx_calls_driver_start_time ON calls (driver_id, call_start_time);
CREATE INDEX idx_calls_status_start_time ON calls (status, call_start_time);
