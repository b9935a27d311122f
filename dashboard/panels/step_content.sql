-- page: session
-- title: One step, whole
-- about: Everything that a prompt, response or tool call holds: a row a block, and the document it stands in. Results are kept up to 64 KiB; result_length says how long they were.
-- models: marts.fct_messages, marts.fct_tool_calls, raw.conversations, raw.content_blocks
WITH ids AS (
    SELECT message_id AS id, NULL AS tool_use_id FROM marts.fct_messages WHERE session_id = $session AND message_key = $key
    UNION ALL
    SELECT NULL, tool_use_id FROM marts.fct_tool_calls WHERE session_id = $session AND tool_call_key = $key
),
records AS MATERIALIZED (
    SELECT _key FROM raw.conversations WHERE session_id = $session AND response_key IN (SELECT id FROM ids)
),
-- Where the blocks stand, before their texts are read.
places AS MATERIALIZED (
    SELECT rowid AS place FROM raw.content_blocks WHERE session_id = $session AND block_type NOT IN ('tool_use', 'tool_result') AND _key IN (SELECT _key FROM records)
    UNION ALL
    SELECT rowid FROM raw.content_blocks WHERE session_id = $session AND tool_use_id IN (SELECT tool_use_id FROM ids)
),
blocks AS (
    SELECT records.source, records._id, records.source_type, records.effective_timestamp, records.tool_use_result, blocks.block_index, blocks.block_type, blocks.text, blocks.tool_name,
        blocks.tool_use_id, blocks.input, blocks.is_error, blocks.result_text, blocks.result_length, blocks.char_len
    FROM places
    JOIN raw.content_blocks AS blocks ON blocks.rowid = places.place
    JOIN raw.conversations AS records ON records._key = blocks._key AND records.session_id = $session
    QUALIFY row_number() OVER (
        PARTITION BY blocks.block_type, coalesce(blocks.tool_use_id, blocks.text, blocks._id) ORDER BY records.is_nested, records.effective_timestamp, blocks.block_index, records._id
    ) = 1
)
SELECT source, _id AS document_id, source_type AS document_type, effective_timestamp AS created_at, block_type, tool_name, text, input, is_error, result_text AS result, result_length,
    char_len AS length, left(tool_use_result, 65536) AS tool_use_result
FROM blocks
ORDER BY effective_timestamp, _id, block_index
