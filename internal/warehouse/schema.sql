-- Bronze and bookkeeping. The sink writes raw.*, meta.watermarks and meta.changed_keys in one transaction a batch;
-- the modeler owns the other schemas. Statements are idempotent and run at every open. Payloads are zstd: DuckDB by
-- itself leaves them uncompressed, which made the file five times as large on real transcripts.

CREATE SCHEMA IF NOT EXISTS raw;
CREATE SCHEMA IF NOT EXISTS meta;

-- One row a document (key: source, _id), the newest by (_epoch, _seq).
CREATE TABLE IF NOT EXISTS raw.conversations (
    -- the twelve columns of the specification, in its order
    _id                VARCHAR NOT NULL,
    type               VARCHAR NOT NULL,
    session_id         VARCHAR,
    project_id         VARCHAR,
    "timestamp"        TIMESTAMPTZ,
    ingested_at        TIMESTAMPTZ,
    extracted_at       TIMESTAMPTZ NOT NULL,
    message_role       VARCHAR,
    message_content    VARCHAR USING COMPRESSION zstd,
    message_raw        VARCHAR USING COMPRESSION zstd,
    source_file        VARCHAR,
    date               DATE NOT NULL,
    -- identity and order
    source             VARCHAR NOT NULL,
    namespace          VARCHAR NOT NULL,   -- "database.collection"; for transcripts the folder's name in the lane
    source_type        VARCHAR,
    source_offset      BIGINT,
    _epoch             BIGINT NOT NULL,
    _seq               BIGINT NOT NULL,
    -- the envelope
    uuid               VARCHAR,
    parent_uuid        VARCHAR,
    is_sidechain       BOOLEAN,
    agent_id           VARCHAR,
    request_id         VARCHAR,
    api_message_id     VARCHAR,
    model              VARCHAR,
    cwd                VARCHAR,
    git_branch         VARCHAR,
    cli_version        VARCHAR,
    entrypoint         VARCHAR,
    content_length     BIGINT,
    tool_use_result    VARCHAR USING COMPRESSION zstd,
    -- derived once, at conversion
    effective_timestamp TIMESTAMPTZ NOT NULL,
    timestamp_source   VARCHAR NOT NULL,   -- timestamp | snapshot | ingested_at | extracted_at
    response_key       VARCHAR NOT NULL,   -- message.id, else request id, else uuid, else _id
    subtype            VARCHAR,            -- system.subtype, progress data.type, attachment.type, queue operation
    is_meta            BOOLEAN NOT NULL,
    is_compact_summary BOOLEAN NOT NULL,
    is_api_error       BOOLEAN NOT NULL,   -- isApiErrorMessage, or model <synthetic>
    permission_mode    VARCHAR,
    prompt_id          VARCHAR,
    prompt_source      VARCHAR,
    origin_kind        VARCHAR,
    user_type          VARCHAR,
    team_name          VARCHAR,
    agent_name         VARCHAR,
    tool_denial_kind   VARCHAR,
    source_tool_use_id VARCHAR,            -- sourceToolUseID, or the tool call that a progress record reports on
    title              VARCHAR,            -- of summary, ai-title, custom-title, agent-name records
    -- usage of a response; NULL where the record carries none
    input_tokens       BIGINT,
    output_tokens      BIGINT,
    cache_read_tokens  BIGINT,
    cache_creation_tokens    BIGINT,       -- max(flat, 5m + 1h)
    cache_creation_5m_tokens BIGINT,
    cache_creation_1h_tokens BIGINT,
    web_search_requests BIGINT,
    web_fetch_requests BIGINT,
    speed              VARCHAR,
    inference_geo      VARCHAR,
    service_tier       VARCHAR,
    stop_reason        VARCHAR,
    effort             VARCHAR,
    cost_usd           DECIMAL(18,9),      -- costUSD of CLI 1.x
    is_nested          BOOLEAN NOT NULL,   -- message, usage and blocks stand in data.message of an agent_progress record
    -- toolUseResult and progress, as far as outcome and duration of a call need them
    result_duration_ms BIGINT,             -- durationMs, totalDurationMs, durationSeconds * 1000
    result_interrupted BOOLEAN,
    result_timed_out_ms BIGINT,
    result_background_id VARCHAR,
    result_status      VARCHAR,
    result_agent_id    VARCHAR,
    result_agent_type  VARCHAR,
    result_file_path   VARCHAR,
    result_type        VARCHAR,            -- toolUseResult.type: create and update of a Write, text or image of a Read
    result_lines_added BIGINT,             -- '+' lines of structuredPatch; all lines of a file that was created
    result_lines_removed BIGINT,           -- '-' lines of structuredPatch
    result_user_modified BOOLEAN,          -- toolUseResult.userModified
    result_text        VARCHAR,            -- toolUseResult when it is a string (errors are)
    progress_elapsed_ms BIGINT,
    progress_status    VARCHAR,
    -- every other top-level field, as JSON; NULL if none
    attributes         VARCHAR USING COMPRESSION zstd,
    redaction_version  INTEGER NOT NULL,
    doc_raw            BLOB USING COMPRESSION zstd, -- the whole document as BSON; only with STORE_RAW=on
    -- not of the document: sink/bronze adds it when it inserts
    _key               UBIGINT NOT NULL,   -- xxhash64 of the row key: eight bytes to scan where the key has fifty
    _rules             SMALLINT            -- the conversion rules that made the row (document.RulesVersion); NULL: of before
);
ALTER TABLE raw.conversations ADD COLUMN IF NOT EXISTS _rules SMALLINT;

-- One row a content block (key: source, _id, block_index). A bare string is one block of type text; so is a
-- document of type tool_use or tool_result one block.
CREATE TABLE IF NOT EXISTS raw.content_blocks (
    source             VARCHAR NOT NULL,
    _id                VARCHAR NOT NULL,
    block_index        INTEGER NOT NULL,
    session_id         VARCHAR,
    date               DATE NOT NULL,
    block_type         VARCHAR NOT NULL,   -- text, thinking, tool_use, tool_result, image, ...
    text               VARCHAR USING COMPRESSION zstd, -- of text and thinking blocks
    tool_name          VARCHAR,
    tool_use_id        VARCHAR,            -- of tool_use and tool_result blocks
    input              VARCHAR USING COMPRESSION zstd, -- tool input as JSON, whole
    is_error           BOOLEAN,
    result_text        VARCHAR USING COMPRESSION zstd, -- at most 64 KiB of it
    result_length      BIGINT,             -- Unicode characters of the whole result
    result_sha256      VARCHAR,            -- of the whole result, if it was cut
    char_len           BIGINT NOT NULL,    -- Unicode characters of text, input or result
    clean_length       BIGINT,             -- of text without <system-reminder> wrappers; text blocks only
    code_block_count   INTEGER,            -- fenced blocks; text blocks only
    code_languages     VARCHAR,            -- their info strings' first words, distinct, sorted, joined by ','
    file_path          VARCHAR,            -- of tool_use blocks: input.file_path, else notebook_path
    command            VARCHAR USING COMPRESSION zstd, -- of tool_use blocks: input.command, at most 8 KiB of it
    input_lines_added  BIGINT,             -- lines that the input adds to the file, by comparing old and new text
    input_lines_removed BIGINT,
    _key               UBIGINT NOT NULL    -- the row's in raw.conversations; sink/bronze adds it
);

-- One row a secret that redaction replaced in a document (key: source, _id, finding_index): what kind it was and where, and
-- a hash by which equal ones are known. The secret itself is nowhere.
CREATE TABLE IF NOT EXISTS raw.secret_findings (
    source             VARCHAR NOT NULL,
    _id                VARCHAR NOT NULL,
    finding_index      INTEGER NOT NULL,
    rule               VARCHAR NOT NULL,
    path               VARCHAR NOT NULL,   -- dotted, as in message.content.0.text
    hash               VARCHAR NOT NULL,   -- hex SHA-256 of the secret
    session_id         VARCHAR,
    date               DATE NOT NULL,
    redaction_version  INTEGER NOT NULL,   -- of the rules
    _epoch             BIGINT NOT NULL,
    _seq               BIGINT NOT NULL,
    _key               UBIGINT NOT NULL    -- the row's in raw.conversations
);

-- Which sessions hold which uuid, response key and tool call: xxhash64 of "u:"+uuid, "r:"+response_key, "t:"+tool_use_id.
-- Sessions that share one are always refreshed together. batch is meta.changed_keys'.
CREATE TABLE IF NOT EXISTS raw.link_keys (
    batch              BIGINT NOT NULL,
    key                UBIGINT NOT NULL,
    session_id         VARCHAR NOT NULL    -- '' for documents without a session
);

-- Keys, and namespaces up to an order (a drop's own, or where a snapshot that is complete began), that were deleted.
CREATE TABLE IF NOT EXISTS raw.tombstones (
    source             VARCHAR NOT NULL,
    _id                VARCHAR,            -- NULL: the whole namespace
    namespace          VARCHAR,
    _epoch             BIGINT NOT NULL,
    _seq               BIGINT NOT NULL,
    deleted_at         TIMESTAMPTZ NOT NULL,
    _key               UBIGINT             -- as in raw.conversations; NULL for a namespace
);

-- How far each destination has come; seq is the last data message applied, seen the last message of any kind.
CREATE TABLE IF NOT EXISTS meta.watermarks (
    consumer           VARCHAR NOT NULL,
    stream             VARCHAR NOT NULL,
    stream_created     TIMESTAMPTZ NOT NULL,
    epoch              BIGINT NOT NULL,
    seq                BIGINT NOT NULL,
    seq_time           TIMESTAMPTZ,
    seen               BIGINT NOT NULL,
    batch              BIGINT NOT NULL,    -- number of the last batch applied
    applied_at         TIMESTAMPTZ NOT NULL
);

-- What each applied batch touched, old and new. A refresh reads those above the batch it last saw.
CREATE TABLE IF NOT EXISTS meta.changed_keys (
    batch              BIGINT NOT NULL,
    session_id         VARCHAR NOT NULL,   -- '' for documents without a session
    date               DATE NOT NULL
);

-- The dead letters: what could not be published or converted, a row each. It mirrors the letters in CONVERSATIONS_DLQ,
-- where they stand whole; those of messages are also written in the batch that left the message out, so that rows and
-- messages can be reconciled at any moment. `claude-analytics dlq` shows, retries and drops them.
CREATE TABLE IF NOT EXISTS meta.dead_letters (
    letter             VARCHAR NOT NULL,   -- its name: the last token of its subject
    source             VARCHAR NOT NULL,   -- the lane
    namespace          VARCHAR,
    _id                VARCHAR,            -- as in raw.conversations, as far as it is known
    session_id         VARCHAR,
    project_id         VARCHAR,
    part               VARCHAR NOT NULL,   -- who set it aside: ingest | lake | warehouse
    reason             VARCHAR NOT NULL,   -- broken_line, not_object, too_large, not_convertible, not_decodable, version, operation
    detail             VARCHAR,
    file               VARCHAR,            -- of a line: the transcript below its folder, and the byte at which it begins
    source_offset      BIGINT,
    size               BIGINT NOT NULL,    -- bytes
    _epoch             BIGINT,             -- the message's order; NULL for what never was in the stream
    _seq               BIGINT,
    attempts           INTEGER NOT NULL,   -- retries that failed
    first_seen         TIMESTAMPTZ NOT NULL,
    last_seen          TIMESTAMPTZ NOT NULL,
    letter_seq         BIGINT              -- the letter's sequence in CONVERSATIONS_DLQ; NULL until it was read from there
);

-- What is missing for good: of kind 'source' a part of a source's history that could not be read (a message of the
-- stream, one row a message), of kind 'stream' a part of the stream that a destination never got. A rebuild keeps them.
CREATE TABLE IF NOT EXISTS meta.gaps (
    kind               VARCHAR NOT NULL,   -- source | stream
    source             VARCHAR,            -- the lane, and "database.collection" where it is one's; kind source
    namespace          VARCHAR,
    reason             VARCHAR NOT NULL,   -- of a source: history_lost, stream_lost; of the stream: in words
    action             VARCHAR,            -- what was done about it: resnapshot, reset; kind source
    code               INTEGER,            -- the server's error, as far as there is one; kind source
    detail             VARCHAR,
    from_at            TIMESTAMPTZ,        -- the last moment read before the gap, NULL if not known; kind source
    to_at              TIMESTAMPTZ,        -- since when changes are read again, NULL if not known; kind source
    destination        VARCHAR,            -- lake | warehouse; kind stream
    from_seq           BIGINT,             -- the first and last message that may be missing; kind stream
    to_seq             BIGINT,
    _epoch             BIGINT NOT NULL,
    _seq               BIGINT,             -- of the message that says so; NULL for kind stream
    found_at           TIMESTAMPTZ NOT NULL -- when the source published it, or the sink found it
);

-- Columns that a file of an earlier release lacks. Its rows have NULL there until `load --full-refresh`.
ALTER TABLE raw.conversations ADD COLUMN IF NOT EXISTS result_type VARCHAR;
ALTER TABLE raw.conversations ADD COLUMN IF NOT EXISTS result_lines_added BIGINT;
ALTER TABLE raw.conversations ADD COLUMN IF NOT EXISTS result_lines_removed BIGINT;
ALTER TABLE raw.conversations ADD COLUMN IF NOT EXISTS result_user_modified BOOLEAN;
ALTER TABLE raw.content_blocks ADD COLUMN IF NOT EXISTS file_path VARCHAR;
ALTER TABLE raw.content_blocks ADD COLUMN IF NOT EXISTS command VARCHAR;
ALTER TABLE raw.content_blocks ADD COLUMN IF NOT EXISTS input_lines_added BIGINT;
ALTER TABLE raw.content_blocks ADD COLUMN IF NOT EXISTS input_lines_removed BIGINT;

-- When bronze was filled from the lake. One that is not finished goes on at the next start; until then marts are not refreshed.
CREATE TABLE IF NOT EXISTS meta.rebuilds (
    began_at           TIMESTAMPTZ NOT NULL,
    finished_at        TIMESTAMPTZ,        -- NULL: under way, or interrupted
    left_out           INTEGER             -- files of the lake that could not be read
);

-- What was erased, without its name: a rebuild takes it from the lake's manifest again.
CREATE TABLE IF NOT EXISTS meta.erasures (
    number             BIGINT NOT NULL,
    erased_at          TIMESTAMPTZ NOT NULL,
    kind               VARCHAR NOT NULL,   -- session | project | deleted
    subject_hash       VARCHAR,            -- hex SHA-256 of the session's or project's id; NULL for deleted documents
    rows               BIGINT NOT NULL,    -- of the lake, all versions counted
    up_to_epoch        BIGINT NOT NULL,    -- the newest change that it covers
    up_to_seq          BIGINT NOT NULL
);

-- The documents that were erased: whoever compares with a source does not miss them.
CREATE TABLE IF NOT EXISTS meta.erased_keys (
    source             VARCHAR NOT NULL,
    id_hash            VARCHAR NOT NULL    -- hex SHA-256 of _id
);
