-- The index of the audit journal moves to a file of its own and is filled again from the journal.
DROP TABLE audit_open_intent;
DROP TABLE audit_body;
DROP TABLE audit_record;
DROP TABLE audit_grams;
DROP TABLE audit_term;
