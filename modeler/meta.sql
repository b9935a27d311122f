-- What the modeler keeps about itself. Statements are idempotent and run at its first refresh.

CREATE SCHEMA IF NOT EXISTS meta;

-- One row a refresh that changed something, or failed.
CREATE TABLE IF NOT EXISTS meta.refreshes (
    id                 BIGINT NOT NULL,
    started_at         TIMESTAMPTZ NOT NULL,
    finished_at        TIMESTAMPTZ NOT NULL,
    kind               VARCHAR NOT NULL,   -- incremental | full
    reason             VARCHAR NOT NULL,   -- start | change | timer | cron | request
    changed_sessions   BIGINT NOT NULL,    -- sessions whose documents changed
    sessions           BIGINT NOT NULL,    -- sessions computed: those, and all that share a record with them
    rows_per_model     JSON NOT NULL,      -- rows deleted and inserted
    seconds_per_model  JSON NOT NULL,
    batch              BIGINT NOT NULL,    -- last batch of bronze that the marts now hold
    error              VARCHAR             -- NULL: the marts were replaced; else they stayed as they were
);

-- How far the marts are; one row.
CREATE TABLE IF NOT EXISTS meta.refresh_state (
    batch              BIGINT NOT NULL,
    links_batch        BIGINT NOT NULL,    -- last batch whose link keys are in meta.session_links
    newest_extracted_at TIMESTAMPTZ,       -- of the documents that the marts hold
    refreshed_at       TIMESTAMPTZ NOT NULL
);

-- What each model was built from. hash covers its compiled text, its configuration and everything upstream, down
-- to the columns of bronze: a model hash differs is rebuilt from all documents.
CREATE TABLE IF NOT EXISTS meta.models (
    name               VARCHAR NOT NULL,
    schema             VARCHAR NOT NULL,
    materialized       VARCHAR NOT NULL,
    hash               VARCHAR NOT NULL,
    stale              BOOLEAN NOT NULL,   -- an upstream model was refreshed without it
    refresh_id         BIGINT NOT NULL,
    built_at           TIMESTAMPTZ NOT NULL
);

-- Groups of sessions that share a record, directly or over others; sessions that share none have no row.
CREATE TABLE IF NOT EXISTS meta.session_links (
    session_id         VARCHAR NOT NULL,
    group_id           VARCHAR NOT NULL
);

-- Every date on which a session ever had a document: the bounds between which its rows are looked for.
CREATE TABLE IF NOT EXISTS meta.session_dates (
    session_id         VARCHAR NOT NULL,
    date               DATE NOT NULL
);

-- The newest result of each test.
CREATE TABLE IF NOT EXISTS meta.test_results (
    name               VARCHAR NOT NULL,
    model              VARCHAR,
    column_name        VARCHAR,
    kind               VARCHAR NOT NULL,
    severity           VARCHAR NOT NULL,
    status             VARCHAR NOT NULL,   -- pass | warn | fail | error
    failures           BIGINT NOT NULL,
    message            VARCHAR,
    seconds            DOUBLE NOT NULL,
    tested_at          TIMESTAMPTZ NOT NULL
);

-- Which version of each rule (of a heuristic column) the marts were built by, and since when; the newest row of a rule holds.
CREATE TABLE IF NOT EXISTS meta.rule_versions (
    rule               VARCHAR NOT NULL,
    version            INTEGER NOT NULL,
    applied_at         TIMESTAMPTZ NOT NULL
);
