-- What policy decided, the classes of the data, and the request for approval: each node fills the index again from its
-- journal.
DELETE FROM audit_record;
DELETE FROM audit_body;
DELETE FROM audit_said;
DELETE FROM audit_open_intent;
DELETE FROM audit_text;
INSERT INTO audit_grams (audit_grams) VALUES ('delete-all');
UPDATE audit_forgotten SET times = times + 1;

-- 0 allowed, 1 denied.
ALTER TABLE audit_record ADD COLUMN decision INTEGER;
-- All classes of the record's data, as one name.
ALTER TABLE audit_record ADD COLUMN data_classes INTEGER;
-- Of the id of the request for approval, the beginning of its digest.
ALTER TABLE audit_record ADD COLUMN approval INTEGER;
CREATE INDEX audit_record_denied ON audit_record (time) WHERE decision = 1;
CREATE INDEX audit_record_data_classes ON audit_record (data_classes, time) WHERE data_classes IS NOT NULL;
CREATE INDEX audit_record_approval ON audit_record (approval, time) WHERE approval IS NOT NULL;
