{{ config(materialized='view', schema='staging') }}

-- One row per logical record. The same record may stand in several documents: watchers that read a file twice insert it
-- under a new _id, and a fork copies the history of its session. One copy stays.
with keys as (
    select
        _key,
        _id,
        source,
        coalesce(session_id, '') as session_id,
        uuid,
        type,
        response_key,
        effective_timestamp,
        timestamp_source,
        ingested_at,
        source_file,
        source_offset,
        case when is_nested then 2 when is_sidechain then 1 else 0 end as thread_rank
    from {{ source('raw', 'conversations') }}
),

shared_response_keys as (
    select response_key
    from keys
    group by response_key
    having min(session_id) <> max(session_id)
),

-- How far each session's past is common with another's. A resumed session may copy records under new uuids: then only its
-- responses show it, not the prompts between them.
common_pasts as (
    select
        keys.session_id,
        max(keys.effective_timestamp) as shared_until
    from keys
    join shared_response_keys on shared_response_keys.response_key = keys.response_key
    where keys.timestamp_source = 'timestamp'
    group by keys.session_id
),

-- Copies carry their original's time, so sessions with a common past are ordered by the first message or call behind it: the
-- one that has none, or the earliest, was there first. Other records may have no uuid, so that copies of them do not show.
session_order as (
    select
        keys.session_id,
        row_number() over (
            order by
                min(keys.effective_timestamp) filter (
                    where keys.timestamp_source = 'timestamp' and keys.type <> 'unknown'
                        and (common_pasts.shared_until is null or keys.effective_timestamp > common_pasts.shared_until)
                ) nulls first,
                keys.session_id
        ) as session_rank
    from keys
    left join common_pasts on common_pasts.session_id = keys.session_id
    group by keys.session_id
),

repeated_uuids as (
    select uuid
    from keys
    where uuid is not null
    group by uuid
    having count(*) > 1
),

copies as (
    select
        keys._key,
        row_number() over (
            partition by keys.uuid
            order by
                keys.thread_rank,
                coalesce(contains(documents.attributes, '"forkedFrom"'), false),
                session_order.session_rank,
                keys.ingested_at,
                keys._id,
                keys.source
        ) as copy_number
    from keys
    join repeated_uuids on repeated_uuids.uuid = keys.uuid
    join session_order on session_order.session_id = keys.session_id
    join {{ source('raw', 'conversations') }} as documents on documents._key = keys._key
),

-- Numbers sort faster than paths.
file_order as (
    select source_file, row_number() over (order by source_file) as file_rank
    from (select distinct source_file from keys where source_file is not null) as files
),

-- The order of a session's records, once, so that every later step can order by a number.
numbered as (
    select
        keys._key,
        keys.session_id,
        keys.thread_rank,
        session_order.session_rank,
        row_number() over (
            partition by session_order.session_rank
            order by keys.effective_timestamp, file_order.file_rank, keys.source_offset, keys._id, keys.source
        ) as record_number
    from keys
    join session_order on session_order.session_id = keys.session_id
    left join file_order on file_order.source_file = keys.source_file
    where keys._key not in (select copies._key from copies where copies.copy_number > 1)
),

final as (
    select
        -- ids
        documents._id as conversation_id,
        documents._key as record_key,
        documents.source,
        numbered.session_id,
        coalesce(documents.project_id, '') as project_id,
        documents.uuid,
        documents.parent_uuid,
        documents.response_key,
        documents.request_id,
        documents.api_message_id,
        documents.agent_id,
        documents.prompt_id,
        documents.source_tool_use_id,

        -- what it is
        coalesce(documents.source_type, 'unknown') as entry_type,
        documents.subtype,
        documents.message_role,
        coalesce(documents.source_type, '') in ('user', 'assistant') as is_message,
        coalesce(documents.source_type, '') in ('tool_use', 'tool_result') as is_tool_related,
        coalesce(documents.message_role = 'user', false) as is_user_message,
        coalesce(documents.message_role = 'assistant', false) as is_assistant_message,
        coalesce(documents.is_sidechain, false) or documents.is_nested as is_sidechain,
        documents.is_nested,
        documents.is_meta,
        documents.is_compact_summary,
        documents.is_api_error,
        documents.timestamp_source = 'timestamp' and (
            coalesce(documents.source_type, '') in ('user', 'assistant', 'system', 'progress', 'tool_use', 'tool_result')
            or coalesce(documents.source_type = 'attachment' and documents.subtype = 'queued_command', false)
        ) as is_session_record,

        -- time and order
        documents.effective_timestamp,
        documents.timestamp_source,
        documents."timestamp" as original_timestamp,
        documents.ingested_at,
        documents.extracted_at,
        documents.date as partition_date,
        documents.source_file,
        documents.source_offset,
        numbered.record_number,
        numbered.thread_rank * 1152921504606846976 + numbered.session_rank * 1073741824 + numbered.record_number as owner_order,

        -- envelope
        documents.model,
        documents.cwd,
        documents.git_branch,
        documents.cli_version,
        documents.entrypoint,
        documents.permission_mode,
        documents.prompt_source,
        documents.origin_kind,
        documents.user_type,
        documents.team_name,
        documents.agent_name,
        documents.tool_denial_kind,
        documents.title,
        coalesce(documents.content_length, 0) as content_length,

        -- usage; a figure that cannot be meant would break every sum it stands in, so it counts as absent
        case when documents.input_tokens between 0 and 1000000000000 then documents.input_tokens end as input_tokens,
        case when documents.output_tokens between 0 and 1000000000000 then documents.output_tokens end as output_tokens,
        case when documents.cache_read_tokens between 0 and 1000000000000 then documents.cache_read_tokens end as cache_read_tokens,
        case when documents.cache_creation_tokens between 0 and 1000000000000 then documents.cache_creation_tokens end as cache_creation_tokens,
        case when documents.cache_creation_5m_tokens between 0 and 1000000000000 then documents.cache_creation_5m_tokens end as cache_creation_5m_tokens,
        case when documents.cache_creation_1h_tokens between 0 and 1000000000000 then documents.cache_creation_1h_tokens end as cache_creation_1h_tokens,
        case when documents.web_search_requests between 0 and 1000000000000 then documents.web_search_requests end as web_search_requests,
        case when documents.web_fetch_requests between 0 and 1000000000000 then documents.web_fetch_requests end as web_fetch_requests,
        documents.speed,
        documents.inference_geo,
        documents.service_tier,
        documents.stop_reason,
        documents.effort,

        -- outcome of a tool call
        documents.result_duration_ms,
        documents.result_interrupted,
        documents.result_timed_out_ms,
        documents.result_background_id,
        documents.result_status,
        documents.result_agent_id,
        documents.result_agent_type,
        documents.result_file_path,
        documents.result_type,
        documents.result_lines_added,
        documents.result_lines_removed,
        documents.result_user_modified,
        left(documents.result_text, 200) as result_text,
        documents.progress_elapsed_ms,
        documents.progress_status
    from {{ source('raw', 'conversations') }} as documents
    join numbered on numbered._key = documents._key
)

select * from final
