-- Dictionaries of inspection: hashes of the company's own words, no word.
CREATE TABLE inspection_dictionary (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    packed TEXT NOT NULL
);
