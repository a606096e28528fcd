-- The catalog: sources, what each part of them was found to hold, and the datasets that these parts make up.

CREATE TABLE catalog_sources (
    source     text PRIMARY KEY,            -- URL without user and password
    crawled_at timestamptz,                 -- when the last crawl began that came to its end
    tried_at   timestamptz NOT NULL,
    error      text                         -- why the last crawl did not, if it did not
);

CREATE TABLE catalog_pieces (
    source   text NOT NULL REFERENCES catalog_sources ON DELETE CASCADE,
    part     text NOT NULL,                 -- a file, table, topic, document
    location text NOT NULL,                 -- the dataset that it is a piece of; '' where it is of none
    version  text,                          -- what tells cheaply whether the part has changed
    facts    json,
    fault    text,                          -- why it could not be read, if it could not
    PRIMARY KEY (source, part, location)
);

CREATE INDEX catalog_pieces_of_dataset ON catalog_pieces (location, source);

CREATE INDEX catalog_faults ON catalog_pieces (source) WHERE fault IS NOT NULL;

CREATE TABLE catalog_stale (                -- datasets whose pieces have changed since they were put together
    source   text NOT NULL REFERENCES catalog_sources ON DELETE CASCADE,
    location text NOT NULL,
    PRIMARY KEY (source, location)
);

CREATE TABLE catalog_datasets (             -- what is searched and ranked by: thousands of rows for each search
    location            text PRIMARY KEY,
    source              text NOT NULL,
    source_type         text NOT NULL,
    name                text NOT NULL,
    annotations         json NOT NULL DEFAULT '{}',
    classification      smallint NOT NULL DEFAULT 1,    -- rank; internal where nobody has said
    domain              text,
    quality             real,               -- measured completeness, 0 to 1
    schema_completeness real,
    updated_at          timestamptz,        -- when its data last changed, as far as known
    search              tsvector NOT NULL,
    found_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    described_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    gone_at             timestamptz
) PARTITION BY HASH (location);

-- A search gathers all that its words match before it gives the first of it. In parts, one that is limited to some
-- hundreds stops after the first parts where a common word has filled it, and these are as good a choice as any.
CREATE TABLE catalog_datasets_0 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE catalog_datasets_1 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE catalog_datasets_2 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE catalog_datasets_3 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE catalog_datasets_4 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE catalog_datasets_5 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE catalog_datasets_6 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE catalog_datasets_7 PARTITION OF catalog_datasets FOR VALUES WITH (MODULUS 8, REMAINDER 7);

CREATE TABLE catalog_descriptions (         -- apart: it is as large as all of the above, and read of the best only
    location    text PRIMARY KEY REFERENCES catalog_datasets ON DELETE CASCADE,
    description json NOT NULL
);

CREATE INDEX catalog_datasets_by_name ON catalog_datasets (name);

CREATE INDEX catalog_search ON catalog_datasets USING gin (search);

CREATE TABLE catalog_words (                -- the vocabulary: what misspelt words are matched to
    word   text COLLATE "C" PRIMARY KEY,
    lexeme text COLLATE "C" NOT NULL        -- what the index calls it
);

CREATE INDEX catalog_words_by_lexeme ON catalog_words (lexeme);

CREATE TABLE catalog_version (              -- one row; grows with each change of the catalog
    version bigint NOT NULL
);

INSERT INTO catalog_version VALUES (0);

CREATE TABLE catalog_answers (              -- a cache: losing it loses nothing
    question   text PRIMARY KEY,
    version    bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    answer     json NOT NULL
);
